/*
 * The least that the hit path can take, written by hand: a datagram that a member sends outward is read, found out whose it
 * is and which worker's, looked up, passed by its ticket, stamped and changed, in one function, in C, with no fact kept
 * in between, no table's bounds asked, and nothing that other roads need. Checks, hashes and tables are those of the engine.
 * Beside it stands what `scripts/instructions` counts on the road `outbound_udp`.
 *
 *   gcc -O2 -o target/floor benches/floor/floor.c
 *   for n in 6400 19200; do
 *     valgrind --tool=callgrind --callgrind-out-file=target/floor.$n target/floor $n
 *     callgrind_annotate target/floor.$n | grep ':pass'
 *   done                                     instructions a packet: the difference over 12,800
 *   target/floor 30000000                    nanoseconds a packet, one after another
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLOWS = 1000, MTU = 1500, NOBODY = 3, MEMBER = 2, VACANT = 4 };
enum { LEFT = 2, ANOTHER_WORKERS = 1, OTHERWISE = -1 }; /* what became of a packet */

struct owned { uint32_t address; uint16_t kind, id; };
struct ticket { uint32_t world; uint16_t interface, way; };

/* A flow's place: two lines. */
struct place {
  uint64_t last_seen;
  uint32_t listed;
  uint8_t class, live;
  struct ticket tickets[2];
  uint64_t keys[4]; /* addresses, ports and protocol; of either side */
  struct { uint16_t l3, l4; } deltas[2];
  char rest[56];
};

static struct {
  struct owned *known;
  uint32_t known_shift, known_last;
  uint64_t *datagram_ports;
  uint64_t secret[3];
  uint64_t *index, cells;
  struct place *places;
  struct { uint64_t door; uint16_t interface; } *doors;
  uint32_t relist_after[6];
  struct { uint16_t mtu; } *ways;
  uint32_t world, workers, me;
  uint64_t mine, theirs;
} it;

#define LOAD(bits) \
  static inline uint##bits##_t load##bits(const uint8_t *at) { uint##bits##_t word; memcpy(&word, at, sizeof word); return word; }
LOAD(16) LOAD(32) LOAD(64)

static inline uint64_t fold_multiply(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t tag_of(uint64_t addresses, uint64_t rest) {
  uint64_t mixed = fold_multiply(fold_multiply(addresses ^ it.secret[0], rest ^ it.secret[1]) ^ it.secret[2], 0x9e3779b97f4a7c15);
  return (uint32_t)(mixed >> 32) ^ (uint32_t)mixed;
}

static inline int owner(uint32_t address) {
  for (uint32_t at = address * 0x9e3779b9u >> it.known_shift;; at = (at + 1) & it.known_last) {
    if (it.known[at].kind == VACANT) return NOBODY;
    if (it.known[at].address == address) return it.known[at].kind;
  }
}

static inline uint32_t folded(uint32_t sum) { return (sum & 0xffff) + (sum >> 16); }

__attribute__((noinline, noclone)) static int pass(uint8_t *frame, uint32_t length, uint64_t now) {
  /* Read. */
  if (length < 58) return OTHERWISE;
  uint8_t *ip;
  uint64_t door = load64(frame) & 0xffffffffffff;
  if (load16(frame + 12) == 0x0008) {
    ip = frame + 14;
  } else if (load16(frame + 12) == 0x0081 && load16(frame + 16) == 0x0008) {
    ip = frame + 18;
    door |= (uint64_t)(load16(frame + 14) & 0xff0f) << 48;
  } else {
    return OTHERWISE;
  }
  uint16_t size = __builtin_bswap16(load16(ip + 2));
  if (ip[0] != 0x45 || load16(ip + 6) & 0xffbf || size > length - (ip - frame) || size < 28) return OTHERWISE;
  uint64_t sum = load64(ip), carried = __builtin_add_overflow(sum, load64(ip + 8), &sum);
  carried = __builtin_add_overflow(sum, load32(ip + 16) + carried, &sum);
  sum += carried;
  uint32_t half = (sum + (sum << 32 | sum >> 32)) >> 32;
  if ((half + (half << 16 | half >> 16)) >> 16 != 0xffff) return OTHERWISE;
  uint16_t udp = __builtin_bswap16(load16(ip + 24));
  if (ip[8] <= 1 || ip[9] != 17 || udp < 8 || udp > size - 20) return OTHERWISE;
  uint64_t addresses = load64(ip + 12);
  uint32_t ports = load32(ip + 20);

  /* Whose, and does it need a flow? */
  if (owner(addresses) != MEMBER || owner(addresses >> 32) != NOBODY) return OTHERWISE;
  if (it.datagram_ports[(uint16_t)ports >> 6] >> (ports & 63) & 1) return OTHERWISE;

  /* Which worker's? */
  uint64_t outside = (addresses >> 32) << 16 | ports >> 16;
  outside = (outside ^ outside >> 33) * 0xff51afd7ed558ccd;
  outside = (outside ^ outside >> 33) * 0xc4ceb9fe1a85ec53;
  if ((uint64_t)(uint32_t)(outside ^ outside >> 33) * it.workers >> 32 != it.me) return it.theirs++, ANOTHER_WORKERS;
  it.mine++;

  /* Look up. */
  uint64_t rest = (uint64_t)ports << 8 | 17;
  uint32_t tag = tag_of(addresses, rest), side;
  struct place *place;
  for (uint64_t at = (uint64_t)tag * it.cells >> 32;; at = at + 1 == it.cells ? 0 : at + 1) {
    uint64_t cell = it.index[at];
    if (cell == UINT64_MAX) return OTHERWISE;
    if (cell >> 32 != tag) continue;
    place = &it.places[(uint32_t)cell >> 1];
    side = cell & 1;
    if (place->live && place->keys[2 * side] == addresses && place->keys[2 * side + 1] == rest) break;
  }

  /* The ticket: this world, this interface; and does it fit? */
  struct ticket ticket = place->tickets[side];
  if (it.doors[0].door != door || ticket.interface != it.doors[0].interface || ticket.world != it.world) return OTHERWISE;
  uint64_t answer = place->keys[2 * (side ^ 1)], becomes = answer << 32 | answer >> 32;
  uint32_t answers = place->keys[2 * (side ^ 1) + 1] >> 8, goes = answers << 16 | answers >> 16;
  if (size > it.ways[ticket.way].mtu || (!(ip[6] & 0x40) && (uint32_t)becomes != (uint32_t)addresses)) return OTHERWISE;

  /* Stamp. */
  place->last_seen = now;
  if ((uint32_t)(now >> 24) - place->listed >= it.relist_after[place->class]) return OTHERWISE;

  /* Change. */
  memcpy(ip + 12, &becomes, 8);
  memcpy(ip + 20, &goes, 4);
  ip[8]--;
  uint16_t field = ~folded(folded((uint16_t)~load16(ip + 10) + place->deltas[side].l3 + 0xfeff));
  memcpy(ip + 10, &field, 2);
  if (load16(ip + 26)) {
    field = ~folded((uint16_t)~load16(ip + 26) + place->deltas[side].l4);
    field = field ? field : 0xffff;
    memcpy(ip + 26, &field, 2);
  }
  return ticket.way;
}

static void make(uint8_t *frame, int nth) {
  static const uint8_t front[46] = {2, 0, 0xfe, 0, 0, 2, 2, 0, 0, 0, 0, 11, 8, 0,                     /* link */
                                    0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 20, 0, 11, 172, 16, 0, 0, /* IP */
                                    0x80, 0, 0x13, 0, 0, 26, 1, 2};                                     /* UDP */
  memcpy(frame, front, sizeof front);
  frame[32] = nth >> 8, frame[33] = frame[35] = nth;
  uint32_t sum = 0;
  for (int at = 14; at < 34; at += 2) sum += load16(frame + at);
  uint16_t field = ~folded(folded(sum));
  memcpy(frame + 24, &field, 2);
  uint64_t addresses = load64(frame + 26), ports = load32(frame + 34);
  struct place *place = &it.places[nth];
  uint64_t vip = 0x6400140a, turned = ports >> 16 | (ports & 0xffff) << 16;
  uint64_t keys[4] = {addresses, ports << 8 | 17, addresses >> 32 | vip << 32, turned << 8 | 17};
  place->live = 1, place->tickets[0] = (struct ticket){5, 1, LEFT};
  memcpy(place->keys, keys, sizeof keys);
  uint32_t tag = tag_of(keys[0], keys[1]);
  uint64_t at = (uint64_t)tag * it.cells >> 32;
  while (it.index[at] != UINT64_MAX) at = at + 1 == it.cells ? 0 : at + 1;
  it.index[at] = (uint64_t)tag << 32 | (uint32_t)nth << 1;
}

int main(int count, char **words) {
  static uint8_t frames[FLOWS][64], frame[64];
  long packets = count == 2 ? atol(words[1]) : 0;
  if (packets <= 0) return fprintf(stderr, "usage: floor PACKETS\n"), 2;
  /* Sizes and numbers are known when the program runs, as the engine's are. */
  int bits = count + 9;
  it.known_shift = 32 - bits, it.known_last = (1 << bits) - 1, it.workers = count, it.cells = FLOWS * (count + 1);
  it.known = calloc(1 << bits, sizeof *it.known);
  it.datagram_ports = calloc(1024, 8);
  it.index = malloc(8 * it.cells);
  it.places = aligned_alloc(128, FLOWS * sizeof *it.places);
  it.doors = calloc(count, sizeof *it.doors);
  it.ways = calloc(count + 1, sizeof *it.ways);
  if (!it.known || !it.datagram_ports || !it.index || !it.places || !it.doors || !it.ways) return 1;
  memset(it.places, 0, FLOWS * sizeof *it.places);
  memset(it.index, 0xff, 8 * it.cells);
  for (uint32_t at = 0; at <= it.known_last; at++) it.known[at].kind = VACANT;
  uint32_t member = 0x0b00140a;
  it.known[member * 0x9e3779b9u >> it.known_shift] = (struct owned){member, MEMBER, 0};
  memcpy(it.secret, (uint64_t[]){0x1234567890abcdef, 0xfedcba0987654321, 0x5555aaaa12345678}, sizeof it.secret);
  it.world = 5, it.doors[0].door = 0x020000fe0002, it.doors[0].interface = 1, it.ways[LEFT].mtu = MTU;
  for (int class = 0; class < 6; class++) it.relist_after[class] = UINT32_MAX;
  int mine[FLOWS], some = 0;
  for (int nth = 0; nth < FLOWS; nth++) {
    make(frames[nth], nth);
    memcpy(frame, frames[nth], 64);
    if (pass(frame, 58 + count, 1) == LEFT) mine[some++] = nth;
  }
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (long nth = 0; nth < packets; nth++) {
    memcpy(frame, frames[mine[nth % some]], 64);
    if (pass(frame, 58 + count, 1000 * nth) != LEFT) return fprintf(stderr, "floor: a packet did not leave\n"), 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  double took = 1e9 * (to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec);
  printf("%ld packets of %d flows left, %.1f ns each\n", packets, some, took / packets);
  return 0;
}
