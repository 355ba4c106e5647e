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
        let error = #expect(throws: GatewayError.self) { try check("server.pem", "other.key") }
        #expect(error?.description.contains("other.key: the private key does not belong") == true)
    }

    @Test func `a CA that is none is refused`() throws {
        let error = #expect(throws: GatewayError.self) {
            try check("server.pem", "server.key", ca: "server.key")
        }
        #expect(error?.description.contains("server.key") == true)
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
