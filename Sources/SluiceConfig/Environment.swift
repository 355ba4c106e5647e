/// Overrides by environment variables: `SLUICE_LISTEN` for the key `listen`, and so on for every
/// single-valued key of the top level.
///
/// A Kubernetes Service called `sluice` puts `SLUICE_SERVICE_HOST`, `SLUICE_PORT_8080_TCP` and the
/// like into every pod, so unknown names are not errors; near misses of ours are.
enum Environment {
    static let prefix = "SLUICE_"

    /// Top-level keys that take one value.
    static var keys: [String] {
        SettingsKeys.top.filter { key in
            switch key.form {
            case .address, .integer, .size, .duration, .number, .numbers, .boolean, .choice, .text:
                true
            case .list, .section, .either: false
            }
        }.map(\.name)
    }

    /// The overrides as a tree; an empty variable is as good as none (compose files write that).
    static func overrides(
        _ environment: [String: String], into error: inout ConfigurationError
    ) -> SourceNode {
        let variables = keys.map { prefix + $0.uppercased() }
        var entries: [SourceNode.Entry] = []
        for (key, variable) in zip(keys, variables) {
            guard let text = environment[variable], !text.isEmpty else { continue }
            let origin = Origin.environment(variable)
            entries.append(.init(key: key, origin: origin, value: .text(text, at: origin)))
        }
        for name in environment.keys.sorted() where name.hasPrefix(prefix) {
            guard !variables.contains(name), !isKubernetes(name),
                let near = keys.first(where: {
                    Suggestion.distance(String(name.dropFirst(prefix.count)).lowercased(), $0) <= 2
                })
            else { continue }
            error.add(
                ConfigurationIssue(
                    .environment(name), "", "unknown variable",
                    advice: "Did you mean \(prefix)\(near.uppercased())?"))
        }
        return SourceNode(.mapping(entries), at: .unstated)
    }

    /// Variables that Kubernetes makes of Services.
    private static func isKubernetes(_ name: String) -> Bool {
        name.contains("_SERVICE_") || name.contains("_PORT")
    }
}
