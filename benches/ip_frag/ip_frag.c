/*
 * What DPDK's own library takes for what src/worker/gather.rs does: a UDP datagram of 4,000 bytes arrives in three
 * pieces, is put together, and leaves in three pieces again. Nothing is translated in between. For comparison with
 * `cargo bench --no-default-features --bench fragments`.
 *
 *   cc -O3 -march=native -o /tmp/ip_frag benches/ip_frag/ip_frag.c $(pkg-config --cflags --libs libdpdk)
 *   /tmp/ip_frag --no-huge --no-shconf --no-pci -m 256 -l 0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_mbuf.h>

#define PIECES 3
#define PIECE 1480
#define LAST 1048
#define ROUNDS 200000
#define REPEATS 9

static struct rte_mbuf *piece(struct rte_mempool *pool, uint32_t from, uint16_t id, int at)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint16_t length = at == PIECES - 1 ? LAST : PIECE;
	struct rte_ipv4_hdr *ip;

	if (m == NULL)
		rte_exit(1, "no buffer\n");
	ip = (struct rte_ipv4_hdr *)rte_pktmbuf_append(m, sizeof(*ip) + length);
	if (ip == NULL)
		rte_exit(1, "no room\n");
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16(sizeof(*ip) + length);
	ip->packet_id = rte_cpu_to_be_16(id);
	ip->fragment_offset = rte_cpu_to_be_16((at * PIECE / 8) | (at < PIECES - 1 ? RTE_IPV4_HDR_MF_FLAG : 0));
	ip->time_to_live = 64;
	ip->next_proto_id = 17;
	ip->src_addr = from;
	ip->dst_addr = rte_cpu_to_be_32(0x0a140064);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	m->l3_len = sizeof(*ip);
	return m;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct rte_ip_frag_death_row row = {0};
	struct rte_ip_frag_tbl *table;
	struct rte_mempool *pool, *headers;
	double took[REPEATS];

	if (rte_eal_init(argc, argv) < 0)
		return 1;
	pool = rte_pktmbuf_pool_create("pieces", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	headers = rte_pktmbuf_pool_create("headers", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	table = rte_ip_frag_table_create(1024, 4, 2048, rte_get_tsc_hz() * 10, -1);
	if (pool == NULL || headers == NULL || table == NULL)
		return 1;
	for (int repeat = 0; repeat < REPEATS; repeat++) {
		uint64_t cycles = 0;

		for (uint32_t round = 0; round < ROUNDS; round++) {
			struct rte_mbuf *in[PIECES], *out[2 * PIECES], *whole = NULL;
			int count;

			for (int at = 0; at < PIECES; at++)
				in[at] = piece(pool, rte_cpu_to_be_32(0xac100500 + (round & 0xfff)), (uint16_t)round, at);
			uint64_t begin = rte_rdtsc_precise();
			for (int at = 0; at < PIECES; at++)
				whole = rte_ipv4_frag_reassemble_packet(table, &row, in[at], rte_rdtsc(),
					rte_pktmbuf_mtod(in[at], struct rte_ipv4_hdr *));
			if (whole == NULL)
				rte_exit(1, "not whole\n");
			count = rte_ipv4_fragment_packet(whole, out, 2 * PIECES, 1500, headers, headers);
			cycles += rte_rdtsc_precise() - begin;
			if (count != PIECES)
				rte_exit(1, "%d pieces left\n", count);
			rte_pktmbuf_free(whole);
			for (int at = 0; at < count; at++)
				rte_pktmbuf_free(out[at]);
			rte_ip_frag_free_death_row(&row, 3);
		}
		took[repeat] = cycles * 1e9 / rte_get_tsc_hz() / ROUNDS;
	}
	qsort(took, REPEATS, sizeof(*took), by_value);
	printf("rte_ip_frag: %.0f ns a datagram (median of %d; least %.0f, most %.0f)\n", took[REPEATS / 2], REPEATS,
	       took[0], took[REPEATS - 1]);
	return 0;
}
