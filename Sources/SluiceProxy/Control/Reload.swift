import SluiceExchange
import SluiceReactor
import SluiceTelemetry

/// What reading the configuration again came to.
package struct ReloadedConfiguration: Sendable {
    /// ``GatewaySettings/adopting(_:)`` of what the file says now: what can be in force without a
    /// restart.
    package let settings: GatewaySettings
    /// The text of `/config` for that.
    package let text: String
    /// Keys that have changed and are taken over, as they stand in the file.
    package let changedKeys: [String]
    /// Keys that have changed and need a restart.
    package let restartKeys: [String]
    /// What is allowed and probably not meant; for the log.
    package let warnings: [String]

    package init(
        settings: GatewaySettings, text: String, changedKeys: [String], restartKeys: [String],
        warnings: [String] = []
    ) {
        self.settings = settings
        self.text = text
        self.changedKeys = changedKeys
        self.restartKeys = restartKeys
        self.warnings = warnings
    }

    /// What an operator reads: the keys by what became of them.
    var summary: String {
        var line = "configuration reloaded"
        line += changedKeys.isEmpty ? ": no key changes" : ": " + Self.list(changedKeys)
        if !restartKeys.isEmpty {
            line += "; changed, and in force only after a restart: " + Self.list(restartKeys)
        }
        return line
    }

    /// Names at most; a generated file may change thousands.
    private static let listedMax = 32

    private static func list(_ keys: [String]) -> String {
        let rest = keys.count - listedMax
        return keys.prefix(listedMax).joined(separator: ", ")
            + (rest > 0 ? " and \(rest) more" : "")
    }
}

/// Why there is nothing to take over: for the log and for who asked.
package struct ReloadFailure: Error, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Reads the configuration again, given the settings in force; called on the control thread.
package typealias ConfigurationSource =
    @Sendable (GatewaySettings) throws(ReloadFailure) -> ReloadedConfiguration

extension ControlLoop {
    /// SIGHUP or `POST /reload`: all of the new configuration that needs no restart is taken over,
    /// or, on any error, nothing.
    ///
    /// - Returns: the line that went to the log.
    @discardableResult func reload() -> Result<String, ReloadFailure> {
        guard let source else {
            // No reason to call the configuration in force a wrong one.
            let failure = ReloadFailure(
                "nothing to reload: the configuration came from flags alone")
            shard.reloaded(.failed)
            shared.logger.warning("\(failure)")
            return .failure(failure)
        }
        do throws(ReloadFailure) {
            let new = try source(inForce)
            try takeOver(new)
            shard.reloaded(.ok)
            lastReload = (true, MonotonicClock.realtimeNanoseconds())
            shared.logger.notice("\(new.summary)")
            for warning in new.warnings { shared.logger.warning("\(warning)") }
            return .success(new.summary)
        } catch {
            lastReload.isSuccessful = false
            shard.reloaded(.failed)
            shared.logger.error("reload failed, the old configuration stays: \(error)")
            return .failure(error)
        }
    }

    /// Files first, for they can fail; then everything, which cannot.
    private func takeOver(_ new: ReloadedConfiguration) throws(ReloadFailure) {
        var serverTLS: TLSServerContext?
        do throws(FileFault) {
            serverTLS = try new.settings.tls.map(GatewayFiles.serverContext)
            try registry.adopt(new.settings)
        } catch {
            throw ReloadFailure("\(error)")
        }
        if let serverTLS { shared.serverTLS = serverTLS }
        inForce = new.settings
        pages.configuration = new.text
    }
}
