/*
 * What of DPDK is not a symbol in a library: inline functions, thread-local variables, macros, and structures whose
 * anonymous members moved between the supported releases (struct rte_mbuf, struct rte_eth_link).
 */
#ifndef FAIRLEAD_DPDK_SHIM_H
#define FAIRLEAD_DPDK_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

/* Bursts: one call moves many frames, so the call costs about a cycle a frame. */
uint16_t shim_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count);
uint16_t shim_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count);

/* Buffers, one at a time. */
struct rte_mbuf *shim_pktmbuf_alloc(struct rte_mempool *pool);
void shim_pktmbuf_free(struct rte_mbuf *frame);
/* Makes one segment of several; 0, or -1 when the first has no room for the rest, or one claims more than its buffer holds. */
int shim_pktmbuf_linearize(struct rte_mbuf *frame);
/* Puts a VLAN tag that the driver took out back into the frame; 0 or a negative errno. May move the frame. */
int shim_vlan_insert(struct rte_mbuf **frame);

/* Thread-local variables: their Rust declarations would link and then crash. */
unsigned shim_lcore_id(void);
int shim_errno(void);

/* 1 up, 0 down, negative errno when the driver cannot say; never waits. `mbps` is UINT32_MAX when unknown. */
int shim_link(uint16_t port, uint32_t *mbps);

/* The release that runs, which may be newer than the one this was built with. */
const char *shim_version(void);

/* Lets DPDK's log go to `line` instead of stderr and syslog; 0, or -1 when there is no memory for that. */
int shim_log_to(void (*line)(const char *bytes, size_t length));

/* Where the fields of a frame are. */
enum shim_mbuf {
	SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
};

/* Macros bindgen cannot evaluate. */
static const uint64_t SHIM_RSS_IP_TCP_UDP = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
static const uint64_t SHIM_RSS_PORTS = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;
static const uint64_t SHIM_TX_FAST_FREE = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
static const uint64_t SHIM_RX_VLAN_FILTER = RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
static const uint64_t SHIM_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint32_t SHIM_REPORTS_LINK = RTE_ETH_DEV_INTR_LSC;
static const uint32_t SHIM_REPORTS_REMOVAL = RTE_ETH_DEV_INTR_RMV;

#endif
