import Foundation
import SluiceExchange
import Testing

@testable import SluiceConfig

/// config/: what is shipped says what the parser does.
@Suite struct FilesTests {
    /// sluice.yaml with markers removed from the lines that begin with one.
    private func uncommented(_ markers: [String]) throws -> String {
        try repositoryText("config/sluice.yaml").split(
            separator: "\n", omittingEmptySubsequences: false
        ).map { line in
            for marker in markers where line.hasPrefix(marker) {
                let rest = line.dropFirst(marker.count)
                var indent = rest.prefix { $0 == " " }.count
                // The first key of an item of a list.
                if rest.dropFirst(indent).hasPrefix("- ") { indent += 2 }
                let key = rest.dropFirst(indent).prefix {
                    $0.isLowercase || $0 == "_" || $0.isNumber
                }
                let isKey = rest.dropFirst(indent + key.count).first == ":"
                if !key.isEmpty, isKey, indent != 1 { return String(rest) }
            }
            return String(line)
        }.joined(separator: "\n")
    }

    private var defaults: GatewaySettings {
        var defaults = GatewaySettings()
        var pool = PoolSettings(name: "default")
        pool.replicas = [ReplicaSettings(url: "http://127.0.0.1:8000")]
        defaults.pools = [pool]
        return defaults
    }

    /// Key paths of a tree, list indexes left out.
    private func paths(_ node: SourceNode, _ prefix: String = "") -> Set<String> {
        switch node.content {
        case .scalar, .empty: return []
        case .list(let nodes):
            return nodes.reduce(into: []) {
                $0.formUnion(paths($1, String(prefix.dropLast()) + "[]."))
            }
        case .mapping(let entries):
            return entries.reduce(into: []) { result, entry in
                result.insert(prefix + entry.key)
                result.formUnion(paths(entry.value, prefix + entry.key + "."))
            }
        }
    }

    @Test func `sluice.yaml as shipped gives the defaults`() throws {
        let text = try repositoryText("config/sluice.yaml")
        #expect(try settings(text) == defaults)
    }

    @Test func `each default shown in sluice.yaml is the default`() throws {
        let text = try uncommented(["#"])
        #expect(try settings(text) == defaults)
        // Not vacuous: the values are really there.
        var error = ConfigurationError()
        let root = YAMLSource(name: "x").parse(text, into: &error)
        #expect(paths(root).count > 35)
    }

    @Test func `sluice.yaml documents exactly the keys that the parser knows`() throws {
        var error = ConfigurationError()
        let root = YAMLSource(name: "x").parse(try uncommented(["#?", "#"]), into: &error)
        #expect(error.isEmpty, "\(error.text)")
        #expect(paths(root) == Set(ConfigurationSchema.keyPaths))
    }

    @Test func `the schema is the one made from the parser's tables`() throws {
        if ProcessInfo.processInfo.environment["SLUICE_WRITE_SCHEMA"] != nil {
            try ConfigurationSchema.json.write(
                to: repository.appendingPathComponent("config/sluice.schema.json"),
                atomically: true, encoding: .utf8)
        }
        let text = try repositoryText("config/sluice.schema.json")
        #expect(
            text == ConfigurationSchema.json,
            "run: SLUICE_WRITE_SCHEMA=1 swift test --filter FilesTests")
    }

    @Test func `the schema has exactly the keys that the parser knows`() throws {
        let data = Data(try repositoryText("config/sluice.schema.json").utf8)
        let schema = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(schema["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
        #expect(schemaPaths(schema) == Set(ConfigurationSchema.keyPaths))
    }

    private func schemaPaths(_ schema: [String: Any], _ prefix: String = "") -> Set<String> {
        var result: Set<String> = []
        for (key, value) in schema["properties"] as? [String: Any] ?? [:] {
            result.insert(prefix + key)
            if let value = value as? [String: Any] {
                result.formUnion(schemaPaths(value, prefix + key + "."))
            }
        }
        if let items = schema["items"] as? [String: Any] {
            result.formUnion(schemaPaths(items, String(prefix.dropLast()) + "[]."))
        }
        for choice in schema["anyOf"] as? [[String: Any]] ?? [] {
            result.formUnion(schemaPaths(choice, prefix))
        }
        return result
    }

    @Test func `minimal.yaml is enough`() throws {
        let minimal = try settings(try repositoryText("config/minimal.yaml"))
        #expect(minimal.pools.map(\.replicas.count) == [2])
        var expected = defaults
        expected.pools[0].replicas.append(ReplicaSettings(url: "http://127.0.0.1:8001"))
        #expect(minimal == expected)
    }

    @Test(arguments: ["config/sluice.yaml", "config/minimal.yaml"])
    func `editors find the schema`(path: String) throws {
        let text = try repositoryText(path)
        #expect(text.hasPrefix("# yaml-language-server: $schema=sluice.schema.json\n"))
    }
}
