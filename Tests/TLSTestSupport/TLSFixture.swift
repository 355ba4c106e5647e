import Foundation
import SluiceReactor

/// Certificates and keys made once per run by the `openssl` command, in a directory that goes with it.
package struct TLSFixture: Sendable {
    private let directory: String

    /// Made on first use.
    package static let shared: Result<TLSFixture, any Error> = Result { try TLSFixture() }

    /// A command that failed, with what it said.
    package struct CommandFailed: Error, CustomStringConvertible {
        package let description: String
    }

    /// Where the file of this name is.
    package func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// The server context of the pair `name`.pem, `name`.key.
    package func server(_ name: String) throws -> TLSServerContext {
        try TLSServerContext(
            certificateFile: path("\(name).pem"), keyFile: path("\(name).key"))
    }

    /// A client that believes the run's own CA.
    package func client() throws -> TLSClientContext {
        try TLSClientContext(authorityFile: path("ca.pem"))
    }

    private init() throws {
        directory = NSTemporaryDirectory() + "sluice-tls-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        _ = Self.sweep
        try selfSigned("ca")
        try selfSigned("stranger")
        try leaf("server", names: "DNS:replica.test,IP:127.0.0.1,IP:::1", days: 30)
        try leaf("other", names: "DNS:other.test", days: 30)
        try leaf("expired", names: "DNS:replica.test,IP:127.0.0.1", days: -1)
        try openssl(
            "pkey", "-in", path("server.key"), "-aes256", "-passout", "pass:x", "-out",
            path("locked.key"))
        try openssl("x509", "-in", path("server.pem"), "-outform", "der", "-out", path("der.pem"))
        try "nothing here\n".write(toFile: path("text.pem"), atomically: true, encoding: .utf8)
        let cut = try String(contentsOfFile: path("server.pem"), encoding: .utf8)
        try "\(cut.prefix(200))\n-----END CERTIFICATE-----\n".write(
            toFile: path("cut.pem"), atomically: true, encoding: .utf8)
    }

    /// Removes the directory when the process ends.
    private static let sweep: Void = {
        atexit {
            if case .success(let fixture) = TLSFixture.shared {
                try? FileManager.default.removeItem(atPath: fixture.directory)
            }
        }
        return ()
    }()

    private static let newKey = [
        "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    ]

    private func selfSigned(_ name: String) throws {
        try openssl(
            ["req", "-x509"] + Self.newKey + [
                "-keyout", path("\(name).key"), "-out", path("\(name).pem"), "-days", "30",
                "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:replica.test",
            ])
    }

    private func leaf(_ name: String, names: String, days: Int) throws {
        try "subjectAltName=\(names)\n".write(
            toFile: path("\(name).ext"), atomically: true, encoding: .utf8)
        try openssl(
            ["req", "-new"] + Self.newKey + [
                "-keyout", path("\(name).key"), "-out", path("\(name).csr"), "-subj", "/CN=\(name)",
            ])
        try openssl(
            "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey",
            path("ca.key"), "-CAcreateserial", "-days", "\(days)", "-extfile",
            path("\(name).ext"), "-out", path("\(name).pem"))
    }

    private func openssl(_ arguments: String...) throws { try openssl(arguments) }

    private func openssl(_ arguments: [String]) throws {
        let (status, output) = try run(arguments)
        guard status == 0 else {
            throw CommandFailed(
                description: "openssl \(arguments.joined(separator: " ")): \(output)")
        }
    }

    /// Runs `openssl` with these arguments and an empty standard input; its status and words.
    package func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        let words = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = words
        process.standardError = words
        try process.run()
        let output = words.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
