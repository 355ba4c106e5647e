import SluiceBytes
import SluiceSimulation

// The page `/metrics`, in the order of vLLM 0.23 (fixtures/vllm/metrics-*.txt). Names, labels and
// help texts are vLLM's own, spelling included.

extension SimulatedMetrics {
    /// Writes the whole page in Prometheus text 0.0.4, about 50 KB.
    package func append(to buffer: inout ByteBuffer) {
        let labels = MetricLabels("engine=\"0\"", "model_name=\"\(MetricText.escaped(model))\"")
        appendRuntime(to: &buffer)
        appendGauges(labels, to: &buffer)
        appendCounters(labels, to: &buffer)
        appendShapes(labels, to: &buffer)
        appendTimes(labels, to: &buffer)
        appendCacheConfig(to: &buffer)
        handlers.append(started: startSeconds, to: &buffer)
    }

    /// The set with a label that sorts after `model_name`.
    private func labeled(_ labels: MetricLabels, _ name: String, _ value: String) -> String {
        MetricLabels(labels.before, labels.after + ",\(name)=\"\(value)\"").plain
    }

    /// Writes what the Python runtime and the process say of themselves.
    private func appendRuntime(to buffer: inout ByteBuffer) {
        // A collection for every so many requests, as the captures show.
        let work = handlers.count
        let generations = ["0", "1", "2"].map { "{generation=\"\($0)\"}" }
        let families: [(String, String, [Int])] = [
            (
                "python_gc_objects_collected_total", "Objects collected during gc",
                [12_832 + 470 * work, 2_235 + 130 * work, 779]
            ),
            (
                "python_gc_objects_uncollectable_total", "Uncollectable objects found during GC",
                [0, 0, 0]
            ),
            (
                "python_gc_collections_total", "Number of times this generation was collected",
                [1_380 + 4 * work, 125 + work / 2, 9]
            ),
        ]
        for (name, help, values) in families {
            buffer.appendFamily(name, "", help, "counter")
            for (labels, value) in zip(generations, values) {
                buffer.appendSeries(name, "", labels, Double(value))
            }
        }
        buffer.appendGauge(
            "python_info", "Python platform information",
            [
                (
                    "{implementation=\"CPython\",major=\"3\",minor=\"12\",patchlevel=\"1\",version=\"3.12.1\"}",
                    1
                )
            ])
        buffer.appendGauge(
            "process_virtual_memory_bytes", "Virtual memory size in bytes.",
            [("", process.virtualBytes)])
        buffer.appendGauge(
            "process_resident_memory_bytes", "Resident memory size in bytes.",
            [("", process.residentBytes)])
        buffer.appendGauge(
            "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
            [("", process.startSeconds)])
        buffer.appendFamily(
            "process_cpu_seconds_total", "", "Total user and system CPU time spent in seconds.",
            "counter")
        buffer.appendSeries("process_cpu_seconds_total", "", "", process.processorSeconds)
        buffer.appendGauge(
            "process_open_fds", "Number of open file descriptors.",
            [("", process.openDescriptors)])
        buffer.appendGauge(
            "process_max_fds", "Maximum number of open file descriptors.",
            [("", process.maxDescriptors)])
    }

    /// Writes the estimates (always 0, as in the captures) and the gauges.
    private func appendGauges(_ labels: MetricLabels, to buffer: inout ByteBuffer) {
        buffer.appendCounter(
            "vllm:estimated_flops_per_gpu",
            "Estimated number of floating point operations per GPU (for Model Flops Utilization calculations).",
            created: startSeconds, [(labels.plain, Double(0))])
        buffer.appendCounter(
            "vllm:estimated_read_bytes_per_gpu",
            "Estimated number of bytes read from memory per GPU (for Model Flops Utilization calculations).",
            created: startSeconds, [(labels.plain, Double(0))])
        buffer.appendCounter(
            "vllm:estimated_write_bytes_per_gpu",
            "Estimated number of bytes written to memory per GPU (for Model Flops Utilization calculations).",
            created: startSeconds, [(labels.plain, Double(0))])
        buffer.appendGauge(
            "vllm:num_requests_running",
            "Number of requests in model execution batches.",
            [(labels.plain, Double(gauges.running))])
        buffer.appendGauge(
            "vllm:num_requests_waiting",
            "Number of requests waiting to be processed.",
            [(labels.plain, Double(gauges.waiting))])
        buffer.appendGauge(
            "vllm:num_requests_waiting_by_reason",
            "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; 'deferred' = deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals vllm:num_requests_waiting.",
            [
                (labeled(labels, "reason", "capacity"), Double(gauges.waiting)),
                (labeled(labels, "reason", "deferred"), 0),
            ])
        buffer.appendGauge(
            "vllm:engine_sleep_state",
            "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.",
            [
                (labeled(labels, "sleep_state", "awake"), 1),
                (labeled(labels, "sleep_state", "weights_offloaded"), 0),
                (labeled(labels, "sleep_state", "discard_all"), 0),
            ])
        buffer.appendGauge(
            "vllm:kv_cache_usage_perc",
            "KV-cache usage. 1 means 100 percent usage.",
            [(labels.plain, gauges.cacheUsage)])
    }

    /// Writes the counters.
    private func appendCounters(_ labels: MetricLabels, to buffer: inout ByteBuffer) {
        buffer.appendCounter(
            "vllm:prefix_cache_queries",
            "Prefix cache queries, in terms of number of queried tokens.",
            created: startSeconds, [(labels.plain, Double(prefixTokensQueried))])
        buffer.appendCounter(
            "vllm:prefix_cache_hits",
            "Prefix cache hits, in terms of number of cached tokens.",
            created: startSeconds, [(labels.plain, Double(prefixTokensHit))])
        buffer.appendCounter(
            "vllm:external_prefix_cache_queries",
            "External prefix cache queries from KV connector cross-instance cache sharing, in terms of number of queried tokens.",
            created: startSeconds, [(labels.plain, Double(0))])
        buffer.appendCounter(
            "vllm:external_prefix_cache_hits",
            "External prefix cache hits from KV connector cross-instance cache sharing, in terms of number of cached tokens.",
            created: startSeconds, [(labels.plain, Double(0))])
        buffer.appendCounter(
            "vllm:mm_cache_queries",
            "Multi-modal cache queries, in terms of number of queried items.",
            created: startSeconds, [(labels.plain, Double(0))])
        buffer.appendCounter(
            "vllm:mm_cache_hits",
            "Multi-modal cache hits, in terms of number of cached items.",
            created: startSeconds, [(labels.plain, Double(0))])
        buffer.appendCounter(
            "vllm:num_preemptions",
            "Cumulative number of preemption from the engine.",
            created: startSeconds, [(labels.plain, Double(preemptions))])
        buffer.appendCounter(
            "vllm:prompt_tokens",
            "Number of prefill tokens processed.",
            created: startSeconds, [(labels.plain, Double(promptTokens))])
        buffer.appendCounter(
            "vllm:prompt_tokens_by_source",
            "Number of prompt tokens by source.",
            created: startSeconds,
            [
                (labeled(labels, "source", "local_compute"), Double(promptTokens - cachedTokens)),
                (labeled(labels, "source", "local_cache_hit"), Double(cachedTokens)),
                (labeled(labels, "source", "external_kv_transfer"), 0),
            ])
        buffer.appendCounter(
            "vllm:prompt_tokens_cached",
            "Number of cached prompt tokens (local + external).",
            created: startSeconds, [(labels.plain, Double(cachedTokens))])
        buffer.appendCounter(
            "vllm:generation_tokens",
            "Number of generation tokens processed.",
            created: startSeconds, [(labels.plain, Double(generatedTokens))])
        buffer.appendCounter(
            "vllm:request_success",
            "Count of successfully processed requests.",
            created: startSeconds,
            FinishReason.allCases.map {
                (labels.with("finished_reason=\"\($0.label)\""), Double(finishedCount($0)))
            })
    }

    /// Writes the histograms of the shape of the work.
    private func appendShapes(_ labels: MetricLabels, to buffer: inout ByteBuffer) {
        buffer.appendHistogram(
            "vllm:request_prompt_tokens",
            "Number of prefill tokens processed.",
            created: startSeconds, labels, promptLength)
        buffer.appendHistogram(
            "vllm:request_generation_tokens",
            "Number of generation tokens processed.",
            created: startSeconds, labels, generationLength)
        buffer.appendHistogram(
            "vllm:iteration_tokens_total",
            "Histogram of number of tokens per engine_step.",
            created: startSeconds, labels, iterationTokens)
        buffer.appendHistogram(
            "vllm:request_max_num_generation_tokens",
            "Histogram of maximum number of requested generation tokens.",
            created: startSeconds, labels, maxGenerationLength)
        buffer.appendHistogram(
            "vllm:request_params_n",
            "Histogram of the n request parameter.",
            created: startSeconds, labels, choices)
        buffer.appendHistogram(
            "vllm:request_params_max_tokens",
            "Histogram of the max_tokens request parameter.",
            created: startSeconds, labels, maxTokens)
    }

    /// Writes the histograms of times.
    private func appendTimes(_ labels: MetricLabels, to buffer: inout ByteBuffer) {
        buffer.appendHistogram(
            "vllm:time_to_first_token_seconds",
            "Histogram of time to first token in seconds.",
            created: startSeconds, labels, timeToFirstToken)
        buffer.appendHistogram(
            "vllm:inter_token_latency_seconds",
            "Histogram of inter-token latency in seconds.",
            created: startSeconds, labels, interTokenLatency)
        buffer.appendHistogram(
            "vllm:request_time_per_output_token_seconds",
            "Histogram of time_per_output_token_seconds per request.",
            created: startSeconds, labels, timePerOutputToken)
        buffer.appendHistogram(
            "vllm:e2e_request_latency_seconds",
            "Histogram of e2e request latency in seconds.",
            created: startSeconds, labels, endToEnd)
        buffer.appendHistogram(
            "vllm:request_queue_time_seconds",
            "Histogram of time spent in WAITING phase for request.",
            created: startSeconds, labels, queueTime)
        buffer.appendHistogram(
            "vllm:request_inference_time_seconds",
            "Histogram of time spent in RUNNING phase for request.",
            created: startSeconds, labels, inferenceTime)
        buffer.appendHistogram(
            "vllm:request_prefill_time_seconds",
            "Histogram of time spent in PREFILL phase for request.",
            created: startSeconds, labels, prefillTime)
        buffer.appendHistogram(
            "vllm:request_decode_time_seconds",
            "Histogram of time spent in DECODE phase for request.",
            created: startSeconds, labels, decodeTime)
        buffer.appendHistogram(
            "vllm:request_prefill_kv_computed_tokens",
            "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
            created: startSeconds, labels, prefillComputed)
    }

    /// Writes the geometry of the KV cache.
    private func appendCacheConfig(to buffer: inout ByteBuffer) {
        let labels = [
            "_block_size_resolved=\"True\"",
            "block_size=\"\(parameters.blockTokens)\"",
            "cache_dtype=\"auto\"",
            "calculate_kv_scales=\"False\"",
            "enable_prefix_caching=\"\(parameters.keepsPrefixes ? "True" : "False")\"",
            "engine=\"0\"",
            "gpu_memory_utilization=\"0.92\"",
            "hash_block_size=\"None\"",
            "is_attention_free=\"False\"",
            "kv_cache_dtype_skip_layers=\"[]\"",
            "kv_cache_memory_bytes=\"1073741824\"",
            "kv_offloading_backend=\"native\"",
            "kv_offloading_size=\"None\"",
            "kv_sharing_fast_prefill=\"False\"",
            "mamba_block_size=\"None\"",
            "mamba_cache_dtype=\"auto\"",
            "mamba_cache_mode=\"none\"",
            "mamba_page_size_padded=\"None\"",
            "mamba_ssm_cache_dtype=\"auto\"",
            "num_cpu_blocks=\"None\"",
            "num_gpu_blocks=\"\(parameters.cacheTokensMax / parameters.blockTokens)\"",
            "num_gpu_blocks_override=\"None\"",
            "prefix_caching_hash_algo=\"sha256\"",
            "sliding_window=\"None\"",
            "user_specified_block_size=\"False\"",
            "user_specified_mamba_block_size=\"False\"",
        ]
        buffer.appendGauge(
            "vllm:cache_config_info",
            "Information of the LLMEngine CacheConfig",
            [("{\(labels.joined(separator: ","))}", 1)])
    }
}
