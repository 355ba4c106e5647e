import SluiceInsight
import SluiceTime
import SluiceTraffic

/// Everything an operator may set, validated as a whole; the shell is built from it and knows no file.
package struct GatewaySettings: Sendable, Equatable {
    /// Where clients connect: `host:port` literals. Default `0.0.0.0:8080`.
    package var listen = "0.0.0.0:8080"
    /// Read-only status listener for kubelet and Prometheus; nil is off.
    package var status: String?
    /// Admin listener; nil is off. Default `127.0.0.1:9801`.
    package var admin: String? = "127.0.0.1:9801"
    /// TLS of the data listener; nil is plain HTTP.
    package var tls: ListenerTLS?
    /// Worker threads; nil is min(CPU affinity, ceil of the lowest `cpu.max` of its cgroups). 1 … 64.
    package var workers: Int?
    package var limits = Limits()
    package var timeouts = Timeouts()
    package var accessLog = AccessLog.standardOutput
    /// File to which the shapes of requests are written, for replays; nil is off.
    package var arrivalTrace: String?
    package var tracing = Tracing()
    /// Peers whose forwarding headers and class or tenant headers are believed: CIDR blocks.
    package var trustedProxies: [String] = []
    /// Whether vLLM's admin and development routes are forwarded. Default off.
    package var allowsAdminRoutes = false
    /// One pool per model; at least one.
    package var pools: [PoolSettings] = []
    /// Client-visible time-to-first-token objectives, each a histogram bound.
    package var timeToFirstTokenObjectives: [Nanoseconds] = []
    /// Priority classes, the most urgent first: 1 … ``AdmissionPolicy/classesMax``. Without an
    /// objective in any of them admission is off.
    package var classes = [ClassPolicy(name: "standard")]
    /// Class of requests that name none, by name.
    package var defaultClass = "standard"
    /// What share of which exchanges shall be good; nil: what follows from the classes.
    package var objectives: [Objective]?
    /// Whose requests are told apart: at most ``AdmissionPolicy/tenantsMax`` less one.
    package var tenants: [TenantSettings] = []

    package init() {}

    /// Certificate and key files (PEM) of a listener.
    package struct ListenerTLS: Sendable, Equatable {
        package var certificateFile: String
        package var keyFile: String
        package init(certificateFile: String, keyFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    /// Which exchanges are told to whom as traces.
    package struct Tracing: Sendable, Equatable {
        /// URL of the collector's OTLP/HTTP receiver; nil is off.
        package var endpoint: String?
        /// Share of the requests without a `traceparent` that are recorded: 0 … 1.
        package var sampleRatio = 1.0
        /// What the gateway calls itself: `service.name`.
        package var serviceName = "sluice"
        /// Spans that may wait for the collector: 64 … 1,000,000.
        package var queueSpansMax = 16_384
        /// File with further fields of each request to the collector, such as an authorization.
        package var headersFile: String?
        /// PEM file of the CA that signed the collector's certificate; nil is the system's.
        package var caFile: String?
        package init() {}
    }

    /// Where access log lines go.
    package enum AccessLog: Sendable, Equatable {
        case off
        case standardOutput
        case file(String)
    }

    /// Bounds on what is held, each with its default.
    package struct Limits: Sendable, Equatable {
        /// Bytes of a request or response head: 1,024 … 262,144.
        package var headBytesMax = 32_768
        /// Field lines of a head: 1 … 100.
        package var fieldsMax = 100
        /// Bytes of a request target: 64 … 65,536.
        package var targetBytesMax = 8_192
        /// Bytes of a request body: 0 … 1 GiB.
        package var bodyBytesMax = 64 << 20
        /// Bytes of all request bodies held at once; nil is 40 % of the lowest memory limit of the process's cgroups, else 1 GiB.
        package var bodiesBytesMax: Int?
        /// Downstream connections of all workers: 1 … 1,000,000.
        package var connectionsMax = 20_000
        /// Requests of one connection, whose last answer closes it: 0 … 1e9, 0 is no limit.
        package var requestsPerConnectionMax = 1_000
        /// Bytes of one response held for a slow reader before the upstream is paused: 4,096 … 16 MiB.
        package var relayHighWaterBytes = 65_536
        package init() {}

        /// Downstream connections of each of so many workers; twice as many upstream ones.
        package func connectionsPerWorker(of workers: Int) -> Int {
            max(16, connectionsMax / max(1, workers))
        }
    }

    /// How long each phase may last.
    package struct Timeouts: Sendable, Equatable {
        package var head = Nanoseconds.seconds(10)
        package var bodyIdle = Nanoseconds.seconds(30)
        package var keepAliveIdle = Nanoseconds.seconds(75)
        package var connect = Nanoseconds.seconds(1)
        package var firstContent = Nanoseconds.seconds(600)
        package var streamIdle = Nanoseconds.seconds(300)
        /// From the first content of an event stream, or the head of another answer, to its end.
        package var streamTotal = Nanoseconds.seconds(7_200)
        package var writeStall = Nanoseconds.seconds(60)
        /// How long an event stream's head waits for its first event; zero never holds.
        package var headHoldMax = Nanoseconds.seconds(10)
        /// From SIGTERM until listeners close; readiness fails at once.
        package var drainDelay = Nanoseconds.zero
        /// From closing the listeners until what is left is cut.
        package var drainMax = Nanoseconds.seconds(30)
        package init() {}
    }
}

/// One pool: the replicas that serve one model (and its aliases).
package struct PoolSettings: Sendable, Equatable {
    /// Name in metrics and pages; unique.
    package var name: String
    /// Model names that clients may ask for; empty: what the replicas report.
    package var models: [String] = []
    /// Further names for the model, rewritten nowhere: the replica must know them too (`--served-model-name`).
    package var aliases: [String] = []
    /// Its part, beside other pools that have one, of the requests for models they all serve: 0 …
    /// 1,000; nil: it shares none.
    package var weight: Double?
    package var replicas: [ReplicaSettings] = []
    /// `http://name:port`: all addresses of the name are replicas.
    package var replicaDNS: String?
    /// API key file of replicas that name none of their own, those found by `replicaDNS` included.
    package var apiKeyFile: String?
    /// CA file of replicas that name none of their own, those found by `replicaDNS` included.
    package var caFile: String?
    /// Between two look-ups of `replicaDNS`: 1 … 3,600 s.
    package var dnsInterval = Nanoseconds.seconds(5)
    package var scrapeInterval = Nanoseconds.seconds(1)
    package var scrapeTimeout = Nanoseconds.seconds(5)
    package var retries = true
    package var usage = UsageMode.inject
    /// Whether the engine queues by the body's `priority`, which is the request's class then.
    package var enginePriority = false
    /// Whether replicas are asked for their load with requests (ORCA), once a second at most.
    package var orca = false
    /// Requests at one replica at most: 1 … 65,536.
    package var replicaInflightMax = 1_024
    /// Requests waiting in the gateway at most: 0 … 1,000,000.
    package var queueLengthMax = 1_024
    /// Bytes of bodies waiting in the gateway at most.
    package var queueBytesMax = 256 << 20
    package var queueWaitMax = Nanoseconds.seconds(30)
    /// Without progress and with a flat heartbeat for so long, a replica is wedged: 1 … 600 s.
    package var wedgedAfter = Nanoseconds.seconds(15)
    package var admission = PoolAdmissionSettings()

    package init(name: String) { self.name = name }
}

/// What is done about token counts of event streams.
package enum UsageMode: String, Sendable, CaseIterable {
    /// Ask the replica for usage and hide the extra event from clients that did not.
    case inject
    /// Read usage where it comes by itself.
    case observe
    /// Bodies pass byte for byte and are not read for usage.
    case off
}

/// One vLLM server.
package struct ReplicaSettings: Sendable, Equatable {
    /// `http://host:port` or `https://host:port`, no path.
    package var url: String
    /// Name in metrics and pages; nil is host:port.
    package var name: String?
    /// Where `/metrics` is, when not at the URL.
    package var metricsURL: String?
    /// Where dcgm-exporter tells of the GPUs of its host; nil: nobody looks at them.
    package var gpuMetricsURL: String?
    /// Its own of them, by index or UUID; empty: all.
    package var gpus: [String] = []
    /// Share of load relative to the others: 0.01 … 100.
    package var weight = 1.0
    /// File with vLLM's `--api-key`, sent as a bearer token instead of the client's.
    package var apiKeyFile: String?
    /// PEM file of the CA that signed the replica's certificate; nil is the system's.
    package var caFile: String?

    package init(url: String) { self.url = url }

    /// All that it is asked at.
    package var urls: [String] { [url, metricsURL, gpuMetricsURL].compactMap { $0 } }
    /// Whether any of them is reached by TLS.
    package var usesTLS: Bool { urls.contains { $0.hasPrefix("https://") } }
}
