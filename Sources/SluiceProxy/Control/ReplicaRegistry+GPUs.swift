import SluiceExchange
import SluiceHTTP
import SluiceReactor

// Control thread only.

/// Who looks at the GPUs of replicas, and where.
extension ReplicaRegistry {
    /// Authorities of the exporters.
    var gpuExporters: Set<String> {
        Set(pools.flatMap(\.replicas).compactMap { Self.exporter(of: $0)?.authority })
    }

    /// Nil where none is named, or its name has no address yet.
    func gpus(of replica: ReplicaSettings, in pool: PoolSettings) -> GPUAgent.Source? {
        guard let url = Self.exporter(of: replica),
            let address = SocketAddress(host: url.host, port: url.port)
                ?? addresses.address(of: url.authority)
        else { return nil }
        return GPUAgent.Source(
            url: url, address: address, gpus: replica.gpus, timeout: pool.scrapeTimeout)
    }

    func agent(
        for source: GPUAgent.Source, of replica: String, _ tls: TLSClientContext?
    ) -> GPUAgent {
        GPUAgent(
            source, of: replica, on: loop, client: client, tls: tls, log: shared.logger)
    }

    private static func exporter(of replica: ReplicaSettings) -> HTTPURL? {
        replica.gpuMetricsURL.flatMap { try? HTTPURL($0) }
    }
}
