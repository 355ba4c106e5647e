"""Exporters that no test machine has, and what engines have that draft or move caches: a page of their metrics.

Sources: dcgm-exporter's `etc/default-counters.csv`, comments included, and DCGM's `DCGM_FI_PROF_…` fields;
node_exporter's loadavg, cpu, meminfo and netdev collectors; vLLM's NixlPromMetrics and SpecDecodingProm.
"""

import contextlib
import re
import time

from serving import Handler, serving

# All five reasons that hold clocks down, beside two that do not: 0x1 (idle) and 0x10 (sync boost).
CLOCK_REASONS = 0xFD
GAUGES = f"""\
DCGM_FI_DEV_GPU_UTIL{{gpu="0",pod="vllm-0"}} 83
DCGM_FI_DEV_GPU_TEMP{{gpu="0",pod="vllm-0"}} 61
DCGM_FI_DEV_SM_CLOCK{{gpu="0",pod="vllm-0"}} 1980
DCGM_FI_DEV_FB_USED{{gpu="0",pod="vllm-0"}} 71000
DCGM_FI_DEV_POWER_USAGE{{gpu="0",pod="vllm-0"}} 512.4
DCGM_FI_DEV_XID_ERRORS{{gpu="0",pod="vllm-0"}} 0
DCGM_FI_DEV_CLOCKS_EVENT_REASONS{{gpu="0",pod="vllm-0"}} {CLOCK_REASONS}
DCGM_FI_DEV_CLOCK_THROTTLE_REASONS{{gpu="1",pod="vllm-1"}} 0
DCGM_FI_DEV_ROW_REMAP_FAILURE{{gpu="0",pod="vllm-0"}} 0
DCGM_FI_PROF_PCIE_TX_BYTES{{gpu="0",pod="vllm-0"}} 1.2e+08
DCGM_FI_PROF_PCIE_RX_BYTES{{gpu="0",pod="vllm-0"}} 3.4e+08
DCGM_FI_PROF_NVLINK_TX_BYTES{{gpu="0",pod="vllm-0"}} 5.6e+10
DCGM_FI_PROF_NVLINK_RX_BYTES{{gpu="0",pod="vllm-0"}} 5.7e+10
node_load1 1.5
node_memory_MemAvailable_bytes 1.2e+10
node_memory_MemTotal_bytes 2.4e+10
"""
COUNTERS = [
    'DCGM_FI_DEV_ECC_SBE_VOL_TOTAL{gpu="0",pod="vllm-0"}', 'DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{gpu="0",pod="vllm-0"}',
    'DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{gpu="0",pod="vllm-0"}',
    'node_cpu_seconds_total{cpu="0",mode="idle"}', 'node_cpu_seconds_total{cpu="1",mode="idle"}',
    *(f'node_network_{way}_{what}_total{{device="{device}"}}' for way in ("receive", "transmit")
      for what in ("bytes", "errs", "drop") for device in ("lo", "eth0")),
    'vllm:spec_decode_num_accepted_tokens_total{model_name="tiny"}',
    'vllm:spec_decode_num_draft_tokens_total{model_name="tiny"}',
    'vllm:nixl_num_failed_transfers_total{model_name="tiny"}',
    *(f'vllm:nixl_xfer_time_seconds_bucket{{model_name="tiny",le="{bound}"}}' for bound in ("0.005", "0.05", "+Inf")),
    'vllm:nixl_xfer_time_seconds_sum{model_name="tiny"}', 'vllm:nixl_xfer_time_seconds_count{model_name="tiny"}']

NAMES = set(re.findall(r"^(\w+)", GAUGES, re.M)) | {re.match(r"[\w:]+", counter)[0] for counter in COUNTERS}


class Exporter(Handler):
    def do_GET(self):
        counters = "".join(f"{name} {time.monotonic()}\n" for name in COUNTERS)
        self.answer((GAUGES + counters).encode(), content_type="text/plain; version=0.0.4")


@contextlib.contextmanager
def exporter():
    """One that serves the page; its host and port."""
    with serving(Exporter) as server:
        yield server.url.removeprefix("http://")
