/*
 * What DPDK's own hash table takes to find a flow by its tuple: one after the other, and in bulk of 64 as it is meant to be
 * used. The yardstick for `cargo bench --bench table`, which asks our table the same: two keys a flow, the same addresses and
 * ports, in the same kind of order, and something of the entry looked at.
 *
 *   cc -O3 -march=native -o /tmp/rte_hash benches/rte_hash/rte_hash.c $(pkg-config --cflags --libs libdpdk)
 *   /tmp/rte_hash --no-huge --no-shconf --no-pci -m 4096 -l 0
 *
 * With huge pages (`--in-memory -m 4096` instead of `--no-huge --no-shconf -m 4096`) it is faster, as our table is in large
 * pages. Prints nanoseconds a lookup, medians of nine rounds.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#define BURST 64
#define ROUNDS 9
#define ASKED (1 << 20)

struct key {
	uint32_t src, dst;
	uint16_t src_port, dst_port;
	uint32_t protocol;
};

/* As large as a flow of ours. */
struct entry {
	struct key keys[2];
	uint8_t rest[96];
} __attribute__((aligned(128)));

static struct key key_of(size_t at, int side)
{
	uint32_t peer = 0xac180000 + (uint32_t)(at / 50 >> 14);
	uint16_t port = 20000 + (at / 50 & 0x3fff), own = 33000 + at % 50;

	if (side == 0)
		return (struct key){ 0x0a14000b, peer, own, port, 17 };
	return (struct key){ peer, 0x0a140064, port, own, 17 };
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static size_t gcd(size_t a, size_t b)
{
	return b == 0 ? a : gcd(b, a % b);
}

static void measure(size_t count)
{
	struct rte_hash_parameters wanted = {
		.name = "flows",
		.entries = (uint32_t)(2 * count + count / 4),
		.key_len = sizeof(struct key),
		.hash_func = rte_hash_crc,
		.socket_id = -1,
	};
	struct rte_hash *table = rte_hash_create(&wanted);
	struct entry *flows = rte_zmalloc(NULL, count * sizeof(*flows), 128);
	struct key *asked = malloc(ASKED * sizeof(*asked));
	double alone[ROUNDS], bulk[ROUNDS];
	size_t step = count * 618 / 1000 + 1;
	uint64_t seen = 0;

	if (table == NULL || flows == NULL || asked == NULL) {
		printf("%9zu flows: no memory\n", count);
		return;
	}
	for (size_t at = 0; at < count; at++)
		for (int side = 0; side < 2; side++) {
			flows[at].keys[side] = key_of(at, side);
			if (rte_hash_add_key_data(table, &flows[at].keys[side], &flows[at]) < 0)
				printf("a key does not fit\n");
		}
	while (gcd(step, count) != 1)
		step++;
	for (size_t nth = 0; nth < ASKED; nth++)
		asked[nth] = key_of((size_t)((unsigned __int128)nth * step % count), nth & 1);
	for (int round = 0; round < ROUNDS; round++) {
		double begun = now();

		for (size_t nth = 0; nth < ASKED; nth++) {
			struct entry *flow;

			if (rte_hash_lookup_data(table, &asked[nth], (void **)&flow) >= 0)
				seen += flow->rest[nth & 31];
		}
		alone[round] = (now() - begun) / ASKED;
		begun = now();
		for (size_t nth = 0; nth < ASKED; nth += BURST) {
			const void *keys[BURST];
			void *found[BURST];
			uint64_t hits;

			for (int at = 0; at < BURST; at++)
				keys[at] = &asked[nth + at];
			rte_hash_lookup_bulk_data(table, keys, BURST, &hits, found);
			for (int at = 0; at < BURST; at++)
				if (hits >> at & 1)
					seen += ((struct entry *)found[at])->rest[at & 31];
		}
		bulk[round] = (now() - begun) / ASKED;
	}
	qsort(alone, ROUNDS, sizeof(*alone), ascending);
	qsort(bulk, ROUNDS, sizeof(*bulk), ascending);
	printf("%9zu flows: %6.1f ns one by one, %6.1f ns in bulk of %d%s\n", count, alone[ROUNDS / 2], bulk[ROUNDS / 2], BURST,
	       seen == 1 ? "." : "");
	free(asked);
	rte_free(flows);
	rte_hash_free(table);
}

int main(int argc, char **argv)
{
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "rte_hash: DPDK does not start; the command in the head of this file does\n");
		return 1;
	}
	for (size_t count = 1000; count <= 1000000; count *= 10)
		measure(count);
	return 0;
}
