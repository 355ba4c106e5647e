import Foundation
import SluiceBytes
import SluiceReactor
import SluiceTime
import TLSTestSupport
import Testing

private func fixture() throws -> TLSFixture { try TLSFixture.shared.get() }

@Suite struct TLSVerificationTests {
    /// What each side says of a handshake that cannot succeed.
    private func fails(_ server: String, _ client: TLSClientContext, host: String) throws -> (
        client: TLSError?, server: TLSError?
    ) {
        var pair = try TLSPair(server: fixture().server(server), client: client, host: host)
        let isOver = pair.run { $0.client.failure != nil && $0.server.failure != nil }
        #expect(isOver)
        #expect(pair.client.handshake == pair.client.failure.map { .failed($0) })
        return (pair.client.failure, pair.server.failure)
    }

    @Test(arguments: ["replica.test", "replica.test.", "REPLICA.test", "127.0.0.1", "[::1]", "::1"])
    func `a certificate is good for the names and addresses it holds`(host: String) throws {
        let fixture = try fixture()
        var pair = try TLSPair(
            server: fixture.server("server"), client: fixture.client(), host: host)
        let isReady = pair.shakeHands()
        #expect(isReady)
    }

    @Test(arguments: ["wrong.test", "a.replica.test", "127.0.0.2", "::2"])
    func `a certificate for another name is refused, and the name is said`(host: String) throws {
        let failure = try fails("server", fixture().client(), host: host)
        #expect(failure.client == .certificate(host: host, .wrongName))
        #expect(
            failure.client?.description.contains("certificate of \(host): made out for") == true)
    }

    @Test(arguments: ["", ".", ".test", "[]"])
    func `a host that OpenSSL would take for any host is refused at once`(host: String) throws {
        let client = try fixture().client()
        #expect(throws: TLSError.self) { _ = try TLSPair(server: nil, client: client, host: host) }
    }

    @Test func `a self-signed certificate is refused, and ca_file proposed`() throws {
        let failure = try fails("stranger", fixture().client(), host: "replica.test")
        #expect(failure.client == .certificate(host: "replica.test", .selfSigned))
        #expect(failure.client?.description.contains("give its CA with ca_file") == true)
        guard case .handshake(host: nil, .refused) = failure.server else {
            Issue.record("the server was not told: \(String(describing: failure.server))")
            return
        }
    }

    @Test func `a self-signed certificate is its own CA where ca_file says so`() throws {
        let fixture = try fixture()
        let client = try TLSClientContext(authorityFile: fixture.path("stranger.pem"))
        var pair = try TLSPair(server: fixture.server("stranger"), client: client)
        let isReady = pair.shakeHands()
        #expect(isReady)
    }

    @Test func `a certificate of an unknown CA is refused, by the system's CAs too`() throws {
        for client in [
            try TLSClientContext(),
            try TLSClientContext(authorityFile: fixture().path("stranger.pem")),
        ] {
            let failure = try fails("server", client, host: "replica.test")
            #expect(failure.client == .certificate(host: "replica.test", .unknownAuthority))
        }
    }

    @Test func `an expired certificate is refused by clients`() throws {
        let failure = try fails("expired", fixture().client(), host: "replica.test")
        #expect(failure.client == .certificate(host: "replica.test", .expired))
    }

    @Test func `HTTP without TLS to a TLS port is told from noise`() throws {
        for (bytes, problem) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", TLSError.HandshakeProblem.plainHTTP),
            ("\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}\u{A}\u{B}\u{C}", .notTLS),
        ] {
            var pair = try TLSPair(server: fixture().server("server"), client: nil)
            pair.client.output = Array(bytes.utf8)
            let isOver = pair.run { $0.server.failure != nil }
            #expect(isOver)
            #expect(pair.server.failure == .handshake(host: nil, problem))
        }
    }

    @Test func `TLS to an HTTP port says so`() throws {
        var pair = try TLSPair(server: nil, client: fixture().client())
        pair.server.output = Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)
        let isOver = pair.run { $0.client.failure != nil }
        #expect(isOver)
        #expect(pair.client.failure == .handshake(host: "replica.test", .notTLS))
        #expect(pair.client.failure?.description.contains("is it an http:// server?") == true)
    }

    @Test func `a peer that goes away during the handshake is no silent wait`() throws {
        var pair = try TLSPair(server: fixture().server("server"), client: nil)
        pair.client.transport.shutdownWriting()
        let isOver = pair.run { $0.server.failure != nil }
        #expect(isOver)
        #expect(pair.server.failure == .handshake(host: nil, .closed))
    }
}

@Suite struct TLSNegotiationTests {
    /// A ClientHello of TLS 1.2 or older as a client would send it. Source: RFC 5246 §7.4.1.2.
    private func clientHello(minor: UInt8, protocols: [String] = []) -> [UInt8] {
        func counted(_ bytes: [UInt8], _ width: Int) -> [UInt8] {
            (0..<width).reversed().map { UInt8(truncatingIfNeeded: bytes.count >> ($0 * 8)) }
                + bytes
        }
        var extensions: [UInt8] =
            [0, 10] + counted(counted([0, 23], 2), 2) + [0, 13] + counted(counted([4, 3], 2), 2)
        if !protocols.isEmpty {
            let names = protocols.flatMap { counted(Array($0.utf8), 1) }
            extensions += [0, 16] + counted(counted(names, 2), 2)
        }
        // ECDHE-ECDSA with AES128-GCM (1.2) and with AES128-SHA (before).
        let ciphers: [UInt8] = [0xC0, 0x2B, 0xC0, 0x09]
        let body: [UInt8] =
            [3, minor] + pattern(32, seed: 7) + [0] + counted(ciphers, 2) + [1, 0]
            + counted(extensions, 2)
        return [22, 3, 1] + counted([1] + counted(body, 3), 2)
    }

    private func answer(to hello: [UInt8]) throws -> (received: [UInt8], failure: TLSError?) {
        var pair = try TLSPair(server: fixture().server("server"), client: nil)
        pair.client.output = hello
        let hasAnswered = pair.run { $0.client.received.count >= 7 }
        #expect(hasAnswered)
        return (pair.client.received, pair.server.failure)
    }

    @Test func `TLS 1.1 is refused with the alert protocol_version`() throws {
        let (received, failure) = try answer(to: clientHello(minor: 2))
        #expect(received.first == 21 && Array(received.suffix(2)) == [2, 70])
        #expect(failure == .handshake(host: nil, .noCommonVersion))
    }

    @Test func `a client that offers only other protocols gets no_application_protocol`() throws {
        let (received, failure) = try answer(to: clientHello(minor: 3, protocols: ["h2"]))
        #expect(received.first == 21 && Array(received.suffix(2)) == [2, 120])
        #expect(failure == .handshake(host: nil, .noCommonProtocol))
    }

    @Test(arguments: [["h2", "http/1.1"], ["http/1.1"]])
    func `http1.1 is chosen wherever it stands in the offer`(protocols: [String]) throws {
        let (received, failure) = try answer(to: clientHello(minor: 3, protocols: protocols))
        #expect(received.first == 22 && failure == nil)
        #expect(String(decoding: received, as: UTF8.self).contains("http/1.1"))
    }

    @Test func `a client that offers no protocol is served`() throws {
        let (received, failure) = try answer(to: clientHello(minor: 3))
        #expect(received.first == 22 && failure == nil)
        #expect(!String(decoding: received, as: UTF8.self).contains("http/1.1"))
    }

    @Test func `a key update in the middle of a stream changes nothing`() throws {
        let fixture = try fixture()
        let address = try #require(SocketAddress("127.0.0.1:0"))
        let listener = try ListenerSocket.open(address, sharesPort: false)
        let poller = try Poller()
        try poller.add(listener.descriptor, .read, Token(kind: .listener, slot: 0, generation: 1))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "s_client", "-connect", "\(listener.address)", "-CAfile",
            fixture.path("ca.pem"), "-verify_return_error", "-verify_hostname", "replica.test",
        ]
        let (input, words) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = words
        process.standardError = words
        try process.run()
        defer { process.waitUntilExit() }
        #expect(poller.wait(timeout: .seconds(10)) == 1)
        guard case .connection(var accepted, _) = listener.accept() else {
            process.terminate()
            return
        }
        try accepted.startTLS(server: fixture.server("server"))
        poller.remove(listener.descriptor)
        try poller.add(accepted.descriptor, .stream, Token(kind: .server, slot: 2, generation: 1))
        var end = TLSEnd(accepted)
        func turn(until isDone: (borrowing TLSEnd) -> Bool) -> Bool {
            while !isDone(end) {
                let count = poller.wait(timeout: .seconds(10))
                if count == 0 || end.ending != nil { return false }
                for index in 0..<count { end.edge(poller.event(index)) }
            }
            return true
        }
        let isReady = turn { $0.handshake == .done }
        #expect(isReady)
        var said = ""
        func listen(for word: String) -> Bool {
            while !said.contains(word) {
                let data = words.fileHandleForReading.availableData
                if data.isEmpty { return false }
                said += String(decoding: data, as: UTF8.self)
            }
            return true
        }
        // "K" alone in one read asks s_client for an update, and for one of ours in return.
        try input.fileHandleForWriting.write(contentsOf: Data("K\n".utf8))
        let isUpdated = listen(for: "KEYUPDATE")
        #expect(isUpdated, "\(said)")
        try input.fileHandleForWriting.write(contentsOf: Data("ping\n".utf8))
        let hasPing = turn { $0.received == Array("ping\n".utf8) }
        #expect(hasPing)
        end.output = Array("pong-after-update\n".utf8)
        end.flush()
        let hasPong = listen(for: "pong-after-update")
        #expect(hasPong, "\(said)")
        end.transport.closeNotify()
        try? input.fileHandleForWriting.close()
    }
}

@Suite struct TLSFileTests {
    /// What opening this pair says; nil when it works.
    private func failure(_ certificate: String, _ key: String) throws -> TLSError? {
        let fixture = try fixture()
        do throws(TLSError) {
            _ = try TLSServerContext(
                certificateFile: fixture.path(certificate), keyFile: fixture.path(key))
            return nil
        } catch { return error }
    }

    @Test func `each unusable file is named, with its reason`() throws {
        let fixture = try fixture()
        let cases: [(String, String, String, TLSError.FileProblem)] = [
            ("none.pem", "server.key", "none.pem", .missing),
            ("server.pem", "none.key", "none.key", .missing),
            (".", "server.key", ".", .notRegular),
            ("text.pem", "server.key", "text.pem", .notCertificate(looksLikeKey: false)),
            ("der.pem", "server.key", "der.pem", .notCertificate(looksLikeKey: false)),
            ("server.key", "server.pem", "server.key", .notCertificate(looksLikeKey: true)),
            ("server.pem", "server.pem", "server.pem", .notKey(looksLikeCertificate: true)),
            ("server.pem", "text.pem", "text.pem", .notKey(looksLikeCertificate: false)),
            ("server.pem", "locked.key", "locked.key", .keyEncrypted),
            (
                "server.pem", "other.key", "other.key",
                .keyMismatch(certificateFile: fixture.path("server.pem"))
            ),
        ]
        for (certificate, key, file, problem) in cases {
            let found = try failure(certificate, key)
            #expect(found == .file(path: fixture.path(file), problem))
            #expect(found?.description.hasPrefix(fixture.path(file) + ": ") == true)
        }
        guard case .file(fixture.path("cut.pem"), .rejected) = try failure("cut.pem", "server.key")
        else {
            Issue.record("a certificate cut short was taken")
            return
        }
        #expect(try failure("server.pem", "server.key") == nil)
    }

    @Test func `an unreadable file is told from a missing one`() throws {
        let fixture = try fixture()
        let path = fixture.path("server.pem") + "/below"
        #expect(throws: TLSError.file(path: path, .unreadable("Not a directory"))) {
            _ = try TLSClientContext(authorityFile: path)
        }
    }

    @Test func `a CA file without a certificate is refused`() throws {
        let fixture = try fixture()
        let path = fixture.path("text.pem")
        #expect(throws: TLSError.file(path: path, .notCertificate(looksLikeKey: false))) {
            _ = try TLSClientContext(authorityFile: path)
        }
    }

    @Test func `an expired certificate serves, with a warning that says since when`() throws {
        let fixture = try fixture()
        let now = Int64(Date().timeIntervalSince1970)
        let fresh = try fixture.server("server")
        #expect(fresh.warning(at: now) == nil)
        #expect(abs(fresh.expiry - now - 30 * 86_400) < 3_600)
        let early = fresh.warning(at: fresh.validFrom - 1)
        #expect(early == .notYetValid(file: fixture.path("server.pem"), from: fresh.validFrom))
        let expired = try fixture.server("expired")
        #expect(expired.expiry < now)
        let late = expired.warning(at: now)
        #expect(late == .expired(file: fixture.path("expired.pem"), at: expired.expiry))
    }
}
