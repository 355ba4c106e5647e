import Glibc
import Logging
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic

final class ControlLoop {
    let shared: GatewayShared
    let signals: SignalSource
    let poller: Poller
    init(shared: GatewayShared, signals: SignalSource) throws(GatewayError) {
        self.shared = shared
        self.signals = signals
        do throws(SystemError) {
            poller = try Poller()
            try poller.add(signals.descriptor, .read, Token(kind: .signals, slot: 0, generation: 0))
            try poller.add(shared.control.descriptor, .read, Token(kind: .mailbox, slot: 0, generation: 0))
        } catch { throw .system(error) }
    }
    func run(data: SocketAddress, onReady: (GatewayAddresses) -> Void) {
        var directory = shared.currentDirectory()
        for (p, pool) in shared.settings.pools.enumerated() {
            let now = MonotonicClock.now()
            let update = shared.pools[p].update(replicas: pool.replicas.map { ReplicaDescriptor(name: $0.url, key: $0.url) }, now: now)
            for (i, id) in update.ids.enumerated() {
                guard let id, let url = HTTPURL(pool.replicas[i].url), case .success(let a) = SocketAddress.resolve(host: url.host, port: url.port) else { continue }
                while directory.endpoints[p].count <= Int(id.slot) { directory.endpoints[p].append(nil) }
                directory.names.replicas.append(ReplicaName(pool: pool.name, name: url.authority))
                directory.endpoints[p][Int(id.slot)] = ReplicaEndpoint(address: a[0], url: url, metricsURL: url, authorization: nil, generation: id.generation, recordIndex: Int32(directory.names.replicas.count - 1))
            }
        }
        directory.names.nameParseErrors()
        shared.publish(directory)
        shared.setReady(true)
        onReady(GatewayAddresses(data: data, admin: nil, status: nil))
        while true {
            _ = poller.wait(timeout: .milliseconds(100))
            for pool in shared.pools { shared.wake(pool.tick(now: MonotonicClock.now()), except: nil) }
            _ = shared.control.take()
            if signals.next() != nil { break }
        }
        for mailbox in shared.mailboxes { mailbox.post(.stop) }
    }
}
