import ArgumentParser
import SluiceConfig
import Logging
import SluiceExchange
import SluiceProxy

/// `sluice serve`: the gateway.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Forward clients to vLLM servers until SIGTERM.",
        discussion: """
            Flags win over the environment (SLUICE_LISTEN, SLUICE_STATUS, SLUICE_ADMIN, \
            SLUICE_WORKERS, SLUICE_ACCESS_LOG, SLUICE_ADMIN_ROUTES), that over the file, that over \
            the defaults. One line is printed when the listeners are open. SIGTERM drains and \
            leaves with 0; a second signal cuts what is left and leaves with 128 and its number.

            EXAMPLES
              sluice serve --replica http://127.0.0.1:8000
              sluice serve --listen 127.0.0.1:8080 --admin 127.0.0.1:9801 \\
                --replica http://127.0.0.1:8101 --replica http://127.0.0.1:8102 --workers 2
              sluice serve --replica-dns http://vllm.models.svc.cluster.local:8000 \\
                --status 0.0.0.0:9802 --admin off
              sluice serve --config /etc/sluice/sluice.yaml --access-log off
              sluice serve --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key \\
                --replica https://gpu-a:8000
            """)

    @OptionGroup var options: ServeOptions

    func run() throws {
        let configuration = try loadConfiguration(options.flags)
        for warning in configuration.warnings { printError("warning: \(warning)\n") }
        try Self.serve(configuration.settings) { printReadyLine($0, isTLS: $1) }
    }

    /// Serves until a signal ends it.
    static func serve(
        _ settings: GatewaySettings,
        onReady: @escaping @Sendable (GatewayAddresses, Bool) -> Void
    ) throws {
        let cutShort: Int32?
        do throws(GatewayError) {
            let gateway = try Gateway(
                settings: settings, configuration: Configuration.render(settings),
                logger: Logger(label: "sluice"))
            let isTLS = settings.tls != nil
            cutShort = try gateway.run { onReady($0, isTLS) }
        } catch {
            printError("sluice: \(error)\n")
            throw configurationExitCode
        }
        if let signal = cutShort { throw ExitCode(128 + signal) }
    }
}
