import Foundation
import SluiceExchange
import SluiceReactor
import Testing

extension GatewayTests {
    /// A pool's `api_key_file` and `ca_file` reach every replica that has none of its own.
    @Suite(.serialized) struct CredentialTests {
        private let directory = NSTemporaryDirectory() + "sluice-credentials-\(UUID().uuidString)"

        /// Writes a file into the test's directory, which `body` may use.
        private func withFiles(
            _ files: [String: String] = [:], _ body: (_ path: (String) -> String) throws -> Void
        ) throws {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: directory) }
            for (name, text) in files {
                try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
            }
            try body { "\(directory)/\($0)" }
        }

        private func upstream() throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("{}") }
            }
        }

        @Test func `a replica found by name is sent the pool's key, not the client's`() throws {
            let found = try upstream()
            let address = found.address
            try withFiles(["key": "pool-secret\n"]) { path in
                try GatewayUnderTest.run(
                    [found],
                    change: { settings in
                        settings.pools[0].replicas = []
                        settings.pools[0].replicaDNS = "http://replicas.test:8000"
                        settings.pools[0].apiKeyFile = path("key")
                    }, lookup: { _, _ in .success([address]) }
                ) { gateway in
                    let answer = try gateway.ask(
                        chat(fields: "authorization: Bearer client-secret\r\n"))
                    #expect(answer.status == 200)
                    #expect(
                        found.requests.first?.values("authorization") == ["Bearer pool-secret"])
                }
            }
        }

        @Test func `a configured replica's own key goes before its pool's`() throws {
            let upstreams = [try upstream(), try upstream()]
            try withFiles(["pool": "pool-secret", "own": "own-secret"]) { path in
                try GatewayUnderTest.run(
                    upstreams,
                    change: { settings in
                        settings.pools[0].apiKeyFile = path("pool")
                        settings.pools[0].replicas[0].apiKeyFile = path("own")
                    }
                ) { gateway in
                    let hasAskedBoth = eventually {
                        _ = try? gateway.ask(chat())
                        return upstreams.allSatisfy { !$0.requests.isEmpty }
                    }
                    #expect(hasAskedBoth)
                    #expect(
                        upstreams.map { $0.requests.first?.values("authorization") }
                            == [["Bearer own-secret"], ["Bearer pool-secret"]])
                }
            }
        }

        @Test func `a replica found by name is believed by the pool's CA, and not without it`()
            throws
        {
            try withFiles { path in
                try makeCertificate(path("cert.pem"), path("key.pem"))
                let served = try upstream()
                // A gateway is the replica: the one TLS server there is.
                try GatewayUnderTest.run(
                    [served],
                    change: {
                        $0.tls = GatewaySettings.ListenerTLS(
                            certificateFile: path("cert.pem"), keyFile: path("key.pem"))
                    }
                ) { replica in
                    let address = replica.data
                    for caFile in [path("cert.pem"), nil] {
                        try GatewayUnderTest.run(
                            [],
                            change: { settings in
                                settings.pools[0].replicaDNS = "https://replicas.test:8000"
                                settings.pools[0].caFile = caFile
                            }, lookup: { _, _ in .success([address]) }
                        ) { gateway in
                            let answer = try gateway.ask(chat())
                            #expect(answer.status == (caFile == nil ? 503 : 200))
                        }
                    }
                    #expect(served.requests.count == 1)
                }
            }
        }

        private func makeCertificate(_ certificate: String, _ key: String) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments =
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
                .split(separator: " ").map(String.init) + [
                    "-subj", "/CN=replicas.test", "-addext", "subjectAltName=DNS:replicas.test",
                    "-keyout", key, "-out", certificate,
                ]
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
        }
    }
}
