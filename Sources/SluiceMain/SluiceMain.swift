import Logging
import SluiceExchange
import SluiceProxy

@main struct SluiceMain {
    static func main() throws {
        var settings = GatewaySettings()
        var pool = PoolSettings(name: "default")
        var args = CommandLine.arguments.dropFirst(2).makeIterator()
        while let a = args.next() {
            switch a {
            case "--listen": settings.listen = args.next()!
            case "--replica": pool.replicas.append(ReplicaSettings(url: args.next()!))
            case "--admin": settings.admin = args.next()!
            case "--status": settings.status = args.next()!
            case "--workers": settings.workers = Int(args.next()!)
            case "--access-log": settings.accessLog = .file(args.next()!)
            default: break
            }
        }
        settings.pools = [pool]
        let gateway = try Gateway(settings: settings, logger: Logger(label: "sluice"))
        try gateway.run { print("sluice ready http://\($0.data)") }
    }
}
