import SluiceTime

/// What can be wrong, the most fundamental first: where several signatures of a subject match, the
/// first in this order is named.
///
/// Sources: docs/diagnosis.md, which has a section on each.
package enum Cause: String, CaseIterable, Comparable, Sendable {
    /// The gateway's own accounts disagree: nothing below is to be trusted.
    case accountingError = "accounting_error"

    /// No replica takes work.
    case noReplica = "no_replica"

    // What a replica and its GPUs show directly.
    case gpuFault = "gpu_fault"
    case replicaUnreachable = "replica_unreachable"
    case engineDead = "engine_dead"
    case keyRefused = "key_refused"
    case replicaFailing = "replica_failing"

    // Signatures, in the order in which they are asked for.
    case metricsPathBroken = "metrics_path_broken"
    case replicaStalled = "replica_stalled"
    case kvBound = "kv_bound"
    case slotBound = "slot_bound"
    case windowTooSmall = "window_too_small"
    case leakedSlots = "leaked_slots"
    case otherClient = "other_client"
    case cacheThrash = "cache_thrash"
    case longerPrompts = "longer_prompts"
    case gpuThrottled = "gpu_throttled"
    case slowReplica = "slow_replica"
    case imbalance
    case shedWhileIdle = "shed_while_idle"

    // What is left where the time goes to prefill or decode and none of the above explains it.
    case slowPrefill = "slow_prefill"
    case tooConcurrent = "too_concurrent"
    case slowDecode = "slow_decode"

    // What users see besides time.
    case upstreamErrors = "upstream_errors"
    case clientsLeave = "clients_leave"
    case clientErrors = "client_errors"

    /// The place in the order.
    var rank: Int { Self.allCases.firstIndex(of: self) ?? Self.allCases.count }

    /// Whether a subject has only one such cause.
    var excludesOthers: Bool { self < .upstreamErrors }

    /// Seconds that its signature has to be there, each without it taken off, where it is not certain.
    /// What means over some requests tell may be chance for as long as these are in the window.
    var namedAfter: Int {
        switch self {
        case .noReplica, .gpuFault, .replicaUnreachable, .engineDead, .keyRefused, .replicaFailing,
            .metricsPathBroken, .replicaStalled, .kvBound, .leakedSlots, .otherClient:
            3
        case .accountingError, .slotBound, .windowTooSmall, .imbalance, .shedWhileIdle,
            .upstreamErrors, .clientsLeave, .clientErrors:
            5
        case .cacheThrash, .longerPrompts, .gpuThrottled, .slowReplica, .slowPrefill,
            .tooConcurrent, .slowDecode:
            DiagnosisWindow.seconds + 2
        }
    }

    /// A finding is forgotten so long after its signature was last there: a state that probes see is over
    /// when they no longer see it; figures, trials and refusals come and go.
    package var forgottenAfter: Nanoseconds {
        switch self {
        case .noReplica, .replicaUnreachable, .engineDead, .keyRefused: .seconds(2)
        default: .seconds(10)
        }
    }

    /// Whether it is a change that may be meant, and so becomes usual when it lasts.
    var mayBecomeUsual: Bool {
        switch self {
        case .cacheThrash, .longerPrompts, .slowPrefill, .tooConcurrent, .slowDecode, .clientErrors:
            true
        default: false
        }
    }

    package static func < (a: Cause, b: Cause) -> Bool { a.rank < b.rank }

    /// In a few words.
    package var title: String {
        switch self {
        case .accountingError: "the gateway's accounts do not add up"
        case .noReplica: "no replica serves"
        case .gpuFault: "a GPU of the replica has failed"
        case .replicaUnreachable: "the replica does not answer"
        case .engineDead: "the engine is dead: /health says 503"
        case .keyRefused: "the replica refuses our API key"
        case .replicaFailing: "requests to the replica keep failing"
        case .metricsPathBroken: "its metrics do not come through, its tokens do"
        case .replicaStalled: "the replica stands still"
        case .kvBound: "the KV cache is full: requests are preempted and computed again"
        case .slotBound: "more work than the replicas can run at once"
        case .windowTooSmall: "requests wait in the gateway while engines have room"
        case .leakedSlots: "the gateway counts requests that the engine does not have"
        case .otherClient: "somebody else sends requests to the replica"
        case .cacheThrash: "prompts are computed that used to be in the prefix cache"
        case .longerPrompts: "prompts have become longer"
        case .gpuThrottled: "GPU clocks are held down, and tokens come slower for it"
        case .slowReplica: "a replica slower than its peers"
        case .imbalance: "requests wait at one replica while another is idle"
        case .shedWhileIdle: "requests are refused while replicas have room"
        case .slowPrefill: "first tokens are late, and neither queue nor prompts explain it"
        case .tooConcurrent: "tokens come slowly: more requests at once than usual"
        case .slowDecode: "tokens come slowly at the usual load"
        case .upstreamErrors: "answers fail"
        case .clientsLeave: "clients leave before their first token"
        case .clientErrors: "many requests are refused for the client's fault"
        }
    }

    /// What it means, in a sentence.
    package var meaning: String {
        switch self {
        case .accountingError:
            "Mean concurrency and rate times mean time in the gateway (Little's law) differ by more than a tenth: requests are lost from an account or counted twice."
        case .noReplica:
            "Every request is refused, or would be: all replicas are down, cordoned or asleep, or no address is known."
        case .gpuFault:
            "The driver has logged an Xid that stands for broken hardware: memory, NVLink, the bus."
        case .replicaUnreachable:
            "Connections are refused or time out; requests go to the others, where there are any that serve."
        case .engineDead:
            "The API server runs without its engine: the model failed to load, CUDA ran out of memory, or the engine process crashed."
        case .keyRefused:
            "It answers 401: its --api-key and the configured key differ."
        case .replicaFailing:
            "It takes connections and answers with errors; it is tried again from time to time."
        case .metricsPathBroken:
            "Routing goes on by what the gateway sees itself; other gateways' load and the KV cache are not known."
        case .replicaStalled:
            "No token on any of its streams for far longer than a step takes: a hung collective, a GPU that fell off the bus, a paused process."
        case .kvBound:
            "What runs does not fit the cache together, so that work is done twice and everything slows down."
        case .slotBound:
            "Every slot is taken and requests wait: offered load is above capacity, or capacity has been lost."
        case .windowTooSmall:
            "What the gateway lets each replica hold was learned too low, or is held down by the objective for time per token."
        case .leakedSlots:
            "A disconnect or an end of a stream was lost between here and the engine: capacity shrinks unseen."
        case .otherClient:
            "Load that this gateway neither sees nor bounds: another gateway, a batch job, a probe."
        case .cacheThrash:
            "Prompts are as long as before but fewer of their tokens are found: affinity was lost, or the cache is too small for the conversations at once."
        case .longerPrompts:
            "The workload has changed, not the serving: each request takes more prefill."
        case .gpuThrottled:
            "Heat, the power supply or a lower limit slows the chips down: the software is as it was."
        case .slowReplica:
            "Its steps take far longer than its peers' at a like batch: thermal or power limits, a noisy neighbour, a different build."
        case .imbalance:
            "Several gateways route apart from each other, or affinity sends too much to one."
        case .shedWhileIdle:
            "Predicted waits are longer than real ones, so that requests are refused which could be served."
        case .slowPrefill:
            "Prompts and cache hits are as usual: the first step itself is slow."
        case .tooConcurrent:
            "Larger batches make every step longer; throughput may even be higher."
        case .slowDecode:
            "The same batch takes longer: memory bandwidth, clocks, power or thermal limits, communication between GPUs, a change of model or build."
        case .upstreamErrors:
            "Engines answer 5xx, reset connections or break streams off."
        case .clientsLeave:
            "They give up while they wait, or their own timeout is shorter than the time to the first token."
        case .clientErrors:
            "Wrong keys, unknown models, malformed bodies or quotas: nothing the engines could do better."
        }
    }

    /// What to do next, in order.
    package var steps: [String] {
        switch self {
        case .accountingError:
            [
                "Compare sluice_requests_received_total minus sluice_requests_total with sluice_requests_in_flight.",
                "Look at sluice_leaked_permits_total and report it with /replicas and the access log: this is a fault of the gateway.",
            ]
        case .noReplica:
            [
                "/readyz and /replicas say what is wrong with each, and of which name no address is known.",
                "sluice uncordon NAME takes one back that an operator has taken out.",
                "Engines that died together: a release, a node, a request that ends engines (poison).",
            ]
        case .gpuFault:
            [
                "dmesg and nvidia-smi -q on its host: which process, ECC and remapped rows, NVLink.",
                "sluice cordon NAME and restart the engine; a GPU that has fallen off the bus (79) or lost memory (48, 64, 94, 95) needs its node drained.",
                "The same on another node after a move: the program may be to blame. Roll back.",
            ]
        case .replicaUnreachable:
            [
                "kubectl get pod, journalctl: is the process there, is it still loading the model?",
                "From the gateway's host: curl -v the replica's /health.",
                "While others serve and have room users notice nothing (sluice_pool_utilization_ratio); where none does, no_replica is named first.",
            ]
        case .engineDead:
            [
                "Read the end of the replica's log: 'CUDA out of memory', 'EngineDeadError', a model that cannot be found.",
                "Restart the replica; after an out-of-memory lower --gpu-memory-utilization or --max-num-seqs first.",
                "If all replicas of a release do it: roll back.",
            ]
        case .keyRefused:
            [
                "Compare the replica's --api-key with the file named in the configuration (api_key_file).",
                "sluice check, then reload with SIGHUP.",
            ]
        case .replicaFailing:
            [
                "/replicas says why; the access log has outcome and reason of each request (upstream_failed).",
                "sluice cordon NAME keeps requests away while you look.",
            ]
        case .metricsPathBroken:
            [
                "curl the replica's metrics URL from the gateway's host: wrong port, a firewall, --disable-log-stats?",
                "/replicas shows last_scrape and missing_signals.",
            ]
        case .replicaStalled:
            [
                "nvidia-smi and dmesg on its host: an Xid error, a GPU at 0 % or 100 % without progress.",
                "py-spy dump of the engine process, before it is restarted.",
                "Restart it; what had not begun has gone to others already.",
            ]
        case .kvBound:
            [
                "Did max_tokens, prompt length or concurrency change? Compare with sluice diagnose --against 1d.",
                "Lower --max-num-seqs, or give the cache more room (--gpu-memory-utilization, a quantized cache, more GPUs).",
                "Add replicas where the working set is legitimate and lasts.",
            ]
        case .slotBound:
            [
                "Compare offered load with a day ago: sluice diagnose --against 1d.",
                "Are all replicas serving, and is it our replica_inflight_max or slots_max that is full? See /replicas.",
                "Without an objective (--ttft-slo) nobody is refused, and the queue grows in the engines: set one.",
                "Raise --max-num-seqs where time per token leaves room; else add replicas (sluice_pool_demand_replicas says how many).",
            ]
        case .windowTooSmall:
            [
                "/replicas and /decisions: which limit holds (window, slots, tokens, kv)?",
                "Is slots_max set lower than the engine's --max-num-seqs? Is the objective for time per token too tight?",
            ]
        case .leakedSlots:
            [
                "Compare in_flight on /replicas with vllm:num_requests_running plus waiting.",
                "sluice cordon NAME; what is left after the streams have ended is lost: report it.",
            ]
        case .otherClient:
            [
                "Who connects to it: ss -tn on its host, or the engine's request log.",
                "Send them through the gateway, or tell it how many gateways there are (gateways).",
            ]
        case .cacheThrash:
            [
                "Did replicas join or leave (affinity moves), or was affinity switched off?",
                "More conversations than the cache holds: more KV cache, or more replicas.",
                "Did clients change the beginning of their prompts (a date, a request id)?",
            ]
        case .longerPrompts:
            [
                "Which client or tenant: the access log has prompt_tokens.",
                "Plan capacity by tokens, not requests; bound prompts where they are not meant.",
            ]
        case .gpuThrottled:
            [
                "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER on its host: which limit holds?",
                "Fans, air flow, a power supply, a power cap that somebody has set (nvidia-smi -pl)?",
                "It gets less work by itself; sluice cordon NAME takes it out.",
            ]
        case .slowReplica:
            [
                "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER on its host: throttle reasons, clocks.",
                "Is its image or its flags another one? /replicas shows vllm_version.",
                "It gets less work by itself; sluice cordon NAME takes it out.",
            ]
        case .imbalance:
            [
                "Does every gateway see the same replicas (/replicas of each)?",
                "Is one conversation or one prefix most of the traffic? Lower affinity's load bound.",
            ]
        case .shedWhileIdle:
            [
                "sluice admission --mode shadow lets requests in at once and goes on counting.",
                "Compare sluice_predicted_wait_seconds with sluice_queue_wait_seconds; report it with /decisions.",
            ]
        case .slowPrefill:
            [
                "Time per stage: sluice_ttft_stage_seconds; if 'connect' grows it is the network.",
                "Are large prompts of a few clients in the same batches? --max-num-batched-tokens bounds them.",
                "GPU clocks and throttling on the replicas' hosts.",
            ]
        case .tooConcurrent:
            [
                "Is that wanted? An objective for time per token makes the gateway hold batches down.",
                "Lower --max-num-seqs, or add replicas.",
            ]
        case .slowDecode:
            [
                "GPU clocks, power, temperature and hardware errors of all replicas.",
                "Compare model, vLLM version and flags with the last healthy release.",
            ]
        case .upstreamErrors:
            [
                "Access log: outcome, reason and replica of the failed ones; one replica or all?",
                "Engines' logs for runtime or CUDA errors.",
                "A new release or model? Roll back.",
            ]
        case .clientsLeave:
            [
                "sluice_first_token_wait_seconds beside the clients' timeouts.",
                "If the queue is long see the other findings; else ask the client's owners.",
            ]
        case .clientErrors:
            [
                "Access log: status, path and client of the refused ones.",
                "A client's release, a rotated key, a renamed model, a quota?",
            ]
        }
    }
}
