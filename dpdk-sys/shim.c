#include <rte_config.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_version.h>

#include "shim.h"

/* Offsets say where a field is; these say that it is as wide as the Rust side believes. */
#define WIDTH_IS(field, type) _Static_assert(sizeof(((struct rte_mbuf *)0)->field) == sizeof(type), #field)
WIDTH_IS(buf_addr, void *);
WIDTH_IS(data_off, uint16_t);
WIDTH_IS(nb_segs, uint16_t);
WIDTH_IS(ol_flags, uint64_t);
WIDTH_IS(pkt_len, uint32_t);
WIDTH_IS(data_len, uint16_t);
WIDTH_IS(buf_len, uint16_t);

uint16_t shim_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, frames, count);
}

uint16_t shim_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, frames, count);
}

struct rte_mbuf *shim_pktmbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

void shim_pktmbuf_free(struct rte_mbuf *frame)
{
	rte_pktmbuf_free(frame);
}

int shim_pktmbuf_linearize(struct rte_mbuf *frame)
{
	for (const struct rte_mbuf *segment = frame; segment; segment = segment->next)
		if ((uint32_t)segment->data_off + segment->data_len > segment->buf_len)
			return -1;
	return rte_pktmbuf_linearize(frame);
}

int shim_vlan_insert(struct rte_mbuf **frame)
{
	return rte_vlan_insert(frame);
}

unsigned shim_lcore_id(void)
{
	return rte_lcore_id();
}

int shim_errno(void)
{
	return rte_errno;
}

int shim_link(uint16_t port, uint32_t *mbps)
{
	struct rte_eth_link link = { 0 };
	int rc = rte_eth_link_get_nowait(port, &link);

	if (rc < 0)
		return rc;
	*mbps = link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP;
}

const char *shim_version(void)
{
	return rte_version();
}

static ssize_t write_line(void *line, const char *bytes, size_t length)
{
	((void (*)(const char *, size_t))line)(bytes, length);
	return (ssize_t)length;
}

int shim_log_to(void (*line)(const char *bytes, size_t length))
{
	cookie_io_functions_t io = { .write = write_line };
	FILE *stream = fopencookie((void *)line, "w", io);

	if (stream == NULL)
		return -1;
	setvbuf(stream, NULL, _IOLBF, 1024);
	return rte_openlog_stream(stream);
}
