import Foundation
import SluiceExchange
import SluiceHTTP

/// Settings read from file, environment and flags, and checked as a whole.
///
/// Steps, each testable: *parse* (``YAMLSource``), *override* (file < environment < flags, on the
/// tree), *default* (the tables of ``SettingsKeys`` fill a fresh ``GatewaySettings``), *validate
/// relations* (``Relations``). All errors of all steps are reported together.
package struct Configuration: Sendable {
    package var settings: GatewaySettings
    /// What is allowed and probably not meant, one sentence each.
    package var warnings: [String]
    /// Where each value was written.
    private let context: ReadingContext

    /// Reads the file named by the flags, if any, and lays environment and flags over it.
    package static func load(
        flags: ServeFlags, environment: [String: String] = [:]
    ) throws(ConfigurationError) -> Configuration {
        guard let file = flags.config else {
            return try read(nil, name: "", flags: flags, environment: environment)
        }
        let data: Data
        do throws(ValueProblem) {
            data = try FileCheck.contents(of: file)
        } catch {
            throw ConfigurationError(
                ConfigurationIssue(
                    .flag(flags.configOrigin), "", error.problem, advice: error.advice))
        }
        let text = try SourceText.decode(Array(data), name: file)
        return try read(text, name: file, flags: flags, environment: environment)
    }

    /// Reads text as if it were the file of that name; nil is no file.
    package static func read(
        _ text: String?, name: String, flags: ServeFlags = ServeFlags(),
        environment: [String: String] = [:]
    ) throws(ConfigurationError) -> Configuration {
        var context = ReadingContext(
            knownPaths: KeyDescription.paths(of: ConfigurationSchema.keys))
        context.error.lines = text.map { SourceText.lines(of: $0) } ?? []
        var root = SourceNode(.mapping([]), at: .unstated)
        if let text {
            root = YAMLSource(name: name).parse(text, into: &context.error)
            context.origins[""] = root.origin
            root = mappingOnly(root, &context)
        }
        // After a syntax error nothing is known of the rest: say only what is certain.
        let isReadable = context.error.isEmpty || root["pools"] != nil
        let overrides = flags.overrides(over: root, into: &context.error)
        root = root.overlaid(with: Environment.overrides(environment, into: &context.error))
        root = root.overlaid(with: overrides)

        var draft = GatewayDraft()
        readMapping(root, "", SettingsKeys.top, into: &draft, &context)
        if let certificate = draft.tls.certificateFile, let key = draft.tls.keyFile {
            draft.settings.tls = .init(certificateFile: certificate, keyFile: key)
        }
        draft.completeClasses(context)
        if isReadable {
            var relations = Relations(settings: draft.settings, tls: draft.tls, context: context)
            relations.check()
            context = relations.context
        }
        guard context.error.isEmpty else {
            context.error.finish()
            throw context.error
        }
        inheritFiles(&draft.settings)
        return Configuration(
            settings: draft.settings, warnings: warnings(draft.settings), context: context)
    }

    /// What only using the values has shown, such as a key that belongs to another certificate,
    /// with place and line as all else that is wrong.
    ///
    /// - Parameter problems: key path and what is wrong, with the value.
    package func error(_ problems: [(key: String, problem: String)]) -> ConfigurationError {
        var context = context
        for (key, problem) in problems {
            context.report(ValueProblem(problem), at: context.origin(key), key)
        }
        context.error.finish()
        return context.error
    }

    /// The root, if it is a mapping; else reports it and goes on with an empty one, over which
    /// environment and flags can be laid.
    private static func mappingOnly(
        _ root: SourceNode, _ context: inout ReadingContext
    ) -> SourceNode {
        if case .mapping = root.content { return root }
        var nothing = GatewayDraft()
        readMapping(root, "", SettingsKeys.top, into: &nothing, &context)
        return SourceNode(.mapping([]), at: root.origin)
    }

    /// What is in force as JSON, which is YAML too: reading it gives the same settings.
    ///
    /// Keys and passwords cannot appear: settings hold the names of their files only.
    package static func render(_ settings: GatewaySettings) -> String {
        showMapping(GatewayDraft(settings), SettingsKeys.top).json() + "\n"
    }

    /// Gives replicas that name no files of their own those of their pool; replicas found by
    /// `replicaDNS` are made later, by the proxy, from the pool's.
    private static func inheritFiles(_ settings: inout GatewaySettings) {
        for pool in settings.pools.indices {
            let (key, authority) = (settings.pools[pool].apiKeyFile, settings.pools[pool].caFile)
            for index in settings.pools[pool].replicas.indices {
                let replica = settings.pools[pool].replicas[index]
                if replica.apiKeyFile == nil {
                    settings.pools[pool].replicas[index].apiKeyFile = key
                }
                if replica.caFile == nil, replica.usesTLS {
                    settings.pools[pool].replicas[index].caFile = authority
                }
            }
        }
    }

    /// Replicas that are one on this machine, under two names.
    private static func aliasWarnings(_ settings: GatewaySettings) -> [String] {
        var warnings: [String] = []
        var urls: [String: String] = [:]
        for replica in settings.pools.flatMap(\.replicas) {
            guard let url = try? HTTPURL(replica.url) else { continue }
            let isHere =
                url.host.lowercased() == "localhost" || AddressText(url.host)?.isLoopback == true
            guard isHere else { continue }
            let place = "\(url.port)"
            if let other = urls[place] {
                warnings.append(
                    "\(other) and \(replica.url) are probably one server: counted twice, it would get twice its share and its queue would be misjudged."
                )
            }
            urls[place] = replica.url
        }
        return warnings
    }

    private static func warnings(_ settings: GatewaySettings) -> [String] {
        var warnings: [String] = []
        if let admin = settings.admin, let address = try? ListenAddress(admin),
            !address.address.isLoopback
        {
            warnings.append(
                "admin listens on \(admin): whoever reaches it can drain and cordon; it has no authentication. For probes and Prometheus use `status`."
            )
        }
        for pool in settings.pools where pool.queueBytesMax < settings.limits.bodyBytesMax {
            warnings.append(
                "pool \(pool.name): queue_bytes_max (\(ByteSizeText.text(pool.queueBytesMax))) is below limits.body_bytes_max (\(ByteSizeText.text(settings.limits.bodyBytesMax))): large bodies can never wait."
            )
        }
        return warnings + aliasWarnings(settings) + admissionWarnings(settings)
            + objectiveWarnings(settings)
    }
}
