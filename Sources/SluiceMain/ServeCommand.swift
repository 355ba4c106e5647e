import ArgumentParser
import Foundation
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
            SLUICE_WORKERS, SLUICE_ACCESS_LOG, SLUICE_ARRIVAL_TRACE, SLUICE_ADMIN_ROUTES, SLUICE_TTFT_SLO, \
            SLUICE_DEFAULT_CLASS), that over the file, that over the defaults. One line is printed when the listeners are open. SIGTERM drains and \
            leaves with 0; a second signal cuts what is left and leaves with 128 and its number. \
            SIGHUP reads the file again: replicas, models and bounds of pools, objectives and shares \
            of classes, tenants, keys and certificates change at once; other changed keys are named in the log and need a \
            restart; a file with an error changes nothing.

            EXAMPLES
              sluice serve --replica http://127.0.0.1:8000
              sluice serve --replica-dns http://vllm:8000 --ttft-slo 500ms
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
        do throws(ConfigurationError) {
            // The gateway itself warns of dates.
            _ = try checkFiles(configuration)
        } catch {
            printError(error.text)
            throw configurationExitCode
        }
        for warning in configuration.warnings { printError("warning: \(warning)\n") }
        try Self.serve(configuration.settings, source: Self.source(options.flags)) {
            printReadyLine($0, isTLS: $1)
        }
    }

    /// What reads the file again at SIGHUP; nil without a file.
    private static func source(_ flags: ServeFlags) -> ConfigurationSource? {
        guard flags.config != nil else { return nil }
        return { inForce throws(ReloadFailure) in
            do throws(ConfigurationError) {
                let environment = ProcessInfo.processInfo.environment
                let read = try Configuration.load(flags: flags, environment: environment)
                _ = try checkFiles(read)
                let new = read.settings
                let adopted = inForce.adopting(new)
                return ReloadedConfiguration(
                    settings: adopted, text: Configuration.render(adopted),
                    changedKeys: Configuration.changedKeys(from: inForce, to: adopted),
                    restartKeys: Configuration.changedKeys(from: adopted, to: new),
                    warnings: read.warnings)
            } catch {
                throw ReloadFailure(error.text(outcome: "nothing has changed"))
            }
        }
    }

    /// Serves until a signal ends it.
    static func serve(
        _ settings: GatewaySettings, source: ConfigurationSource? = nil,
        onReady: @escaping @Sendable (GatewayAddresses, Bool) -> Void
    ) throws {
        let cutShort: Int32?
        do throws(GatewayError) {
            let gateway = try Gateway(
                settings: settings, configuration: Configuration.render(settings),
                logger: Logger(label: "sluice"), source: source)
            let isTLS = settings.tls != nil
            cutShort = try gateway.run { onReady($0, isTLS) }
        } catch {
            printError("sluice: \(error)\n")
            throw configurationExitCode
        }
        if let signal = cutShort { throw ExitCode(128 + signal) }
    }
}
