import Foundation
import SluiceExchange
import Testing

@testable import SluiceConfig

/// Settings of a text that has to be right.
func settings(
    _ text: String, flags: ServeFlags = ServeFlags(), environment: [String: String] = [:]
) throws -> GatewaySettings {
    try Configuration.read(text, name: "s.yaml", flags: flags, environment: environment).settings
}

/// Errors of a text that has to be wrong, as printed.
func errors(
    _ text: String?, flags: ServeFlags = ServeFlags(), environment: [String: String] = [:],
    name: String = "s.yaml"
) -> ConfigurationError {
    do {
        _ = try Configuration.read(text, name: name, flags: flags, environment: environment)
        Issue.record("accepted: \(text ?? "no file")")
        return ConfigurationError()
    } catch {
        return error
    }
}

/// The one error of a text, as printed.
func onlyError(
    _ text: String?, flags: ServeFlags = ServeFlags(), environment: [String: String] = [:],
    name: String = "s.yaml"
) -> String {
    let found = errors(text, flags: flags, environment: environment, name: name)
    #expect(found.issues.count == 1, "\(found.text)")
    return found.issues.first?.text(lines: found.lines) ?? ""
}

/// A pool that is right, to end other texts with.
let pool = """
    pools:
      - name: default
        replicas: [http://127.0.0.1:8000]
    """

/// The directory of the repository.
let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// The text of a file of the repository.
func repositoryText(_ path: String) throws -> String {
    try String(contentsOf: repository.appendingPathComponent(path), encoding: .utf8)
}

/// A directory of files that goes away with the value.
final class TemporaryDirectory {
    let path: String

    init(_ files: [String: String] = [:]) throws {
        path = NSTemporaryDirectory() + "sluice-config-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, text) in files {
            try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

let certificateText = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
let keyText = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
