import Foundation
import SluiceExchange
import SluiceProxy
import TLSTestSupport
import Testing

/// `sluice check` refuses the files that `sluice serve` would.
@Suite struct GatewayFilesTests {
    private func check(_ certificate: String, _ key: String, ca: String? = nil) throws -> [String] {
        let files = try TLSFixture.shared.get()
        var settings = GatewaySettings()
        settings.tls = .init(certificateFile: files.path(certificate), keyFile: files.path(key))
        var pool = PoolSettings(name: "pool")
        pool.replicas = [ReplicaSettings(url: "https://127.0.0.1:1")]
        pool.caFile = ca.map(files.path)
        settings.pools = [pool]
        return try GatewayFiles.check(settings)
    }

    @Test func `a pair that belongs together is fine`() throws {
        #expect(try check("server.pem", "server.key", ca: "ca.pem") == [])
    }

    @Test func `a key of another certificate is refused`() throws {
        let error = #expect(throws: FileFaults.self) { try check("server.pem", "other.key") }
        let path = try TLSFixture.shared.get().path("other.key")
        #expect(error?.faults.map(\.key) == ["tls.key_file"])
        #expect(
            error?.faults.first?.problem.hasPrefix("`\(path)`: the private key does not belong")
                == true)
    }

    @Test func `a CA that is none is refused`() throws {
        let error = #expect(throws: FileFaults.self) {
            try check("server.pem", "server.key", ca: "server.key")
        }
        #expect(error?.faults.map(\.key) == ["pools[0].ca_file"])
        #expect(error?.description.contains("server.key`: holds a private key") == true)
    }

    @Test func `every file that cannot be used is named once, with its key`() throws {
        let files = try TLSFixture.shared.get()
        var settings = GatewaySettings()
        settings.tls = .init(
            certificateFile: files.path("cut.pem"), keyFile: files.path("locked.key"))
        settings.tracing.endpoint = "https://127.0.0.1:1"
        settings.tracing.headersFile = files.path("missing")
        settings.tracing.caFile = files.path("text.pem")
        var pool = PoolSettings(name: "pool")
        pool.caFile = files.path("der.pem")
        pool.apiKeyFile = "/dev/null"
        var own = ReplicaSettings(url: "https://127.0.0.1:1")
        own.caFile = files.path("text.pem")
        own.apiKeyFile = files.path("missing")
        // As the configuration leaves it: the pool's files are its own too.
        var inherited = ReplicaSettings(url: "https://127.0.0.1:2")
        inherited.caFile = pool.caFile
        inherited.apiKeyFile = pool.apiKeyFile
        pool.replicas = [inherited, own, inherited]
        pool.replicaDNS = "https://replica.test:1"
        settings.pools = [pool]
        let error = #expect(throws: FileFaults.self) { try GatewayFiles.check(settings) }
        #expect(
            error?.faults.map(\.key) == [
                "tls.cert_file", "tls.key_file", "tracing.headers_file", "tracing.ca_file",
                "pools[0].api_key_file", "pools[0].ca_file", "pools[0].replicas[1].api_key_file",
                "pools[0].replicas[1].ca_file",
            ])
    }

    @Test func `a file that is both and lacks one is blamed for that`() throws {
        #expect(
            #expect(throws: FileFaults.self) { try check("server.pem", "server.pem") }?.faults
                .map(\.key) == ["tls.key_file"])
        #expect(
            #expect(throws: FileFaults.self) { try check("server.key", "server.key") }?.faults
                .map(\.key) == ["tls.cert_file"])
    }

    @Test func `an expired certificate is told with its date, in words`() throws {
        let warning = try #require(check("expired.pem", "expired.key").first)
        let said = try #require(
            warning.firstMatch(of: /expired at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC/))
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "UTC")
        format.dateFormat = "yyyy-MM-dd HH:mm:ss"
        let files = try TLSFixture.shared.get()
        let expiry = try files.server("expired").expiry
        #expect(
            format.string(from: Date(timeIntervalSince1970: Double(expiry)))
                == String(said.output.1))
    }
}
