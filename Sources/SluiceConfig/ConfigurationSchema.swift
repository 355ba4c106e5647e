import SluiceExchange

/// The JSON schema of the file, made of the same tables that the parser reads by.
package enum ConfigurationSchema {
    /// All top-level keys.
    static var keys: [KeyDescription] {
        SettingsKeys.top.map { $0.description(fresh: GatewayDraft()) }
    }

    /// All key paths, such as `pools[].replicas[].url`.
    package static var keyPaths: [String] { KeyDescription.paths(of: keys) }

    /// The text of config/sluice.schema.json.
    package static var json: String {
        var entries: [(key: String, value: RenderedValue)] = [
            ("$schema", .text("https://json-schema.org/draft/2020-12/schema")),
            ("title", .text("Sluice gateway configuration")),
            (
                "description",
                .text(
                    "Made of the parser's own tables: SLUICE_WRITE_SCHEMA=1 swift test --filter FilesTests"
                )
            ),
        ]
        entries += KeyDescription.schema(of: keys)
        return RenderedValue.object(entries).json() + "\n"
    }
}
