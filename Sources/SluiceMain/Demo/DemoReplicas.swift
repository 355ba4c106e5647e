import SluiceReactor
import VLLMSimulator

/// The simulated replicas of the demo; each can be killed and started again on its port.
final class DemoReplicas {
    private struct Place {
        let configuration: SimulatedReplica.Configuration
        let address: SocketAddress
        var thread: SimulatorThread?
    }

    private var places: [Place] = []
    /// What all of them serve.
    static let model = "demo-model"
    /// Sequences that one runs at once: few, so that queues can be seen.
    static let sequencesMax = 16
    /// A small KV cache, so that it can be seen to fill.
    static let cacheTokensMax = 8_192

    init(count: Int) throws(SystemError) {
        for index in 0..<count {
            var configuration = SimulatedReplica.Configuration()
            configuration.models = [Self.model]
            configuration.seed = UInt64(index + 1)
            configuration.engine.sequencesMax = Self.sequencesMax
            configuration.engine.cacheTokensMax = Self.cacheTokensMax
            configuration.engine.modelLengthMax = Self.cacheTokensMax / 2
            guard let any = SocketAddress("127.0.0.1:0") else { continue }
            let thread = try SimulatorThread(configuration, listen: any)
            places.append(
                Place(configuration: configuration, address: thread.address, thread: thread))
        }
    }

    static func name(_ index: Int) -> String { "sim-\(index + 1)" }

    var count: Int { places.count }
    var urls: [String] { places.map { "http://\($0.address)" } }

    /// Kills the replica – every connection ends, the port refuses – or starts it again.
    ///
    /// - Returns: what was done, for the screen.
    func toggle(_ index: Int) -> String {
        guard places.indices.contains(index) else { return "there is no replica \(index + 1)" }
        let name = Self.name(index)
        if let thread = places[index].thread.take() {
            thread.stop()
            return "\(name) killed; press \(index + 1) to start it again"
        }
        do throws(SystemError) {
            places[index].thread = try SimulatorThread(
                places[index].configuration, listen: places[index].address)
            return "\(name) started again; the gateway's next probe will see it"
        } catch {
            return "\(name) cannot start again on \(places[index].address): \(error.reason)"
        }
    }

    func stop() {
        for index in places.indices { places[index].thread.take()?.stop() }
    }
}
