import Foundation
import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import Synchronization
import TLSTestSupport
import Testing

@testable import SluiceProxy

extension GatewayTests {
    /// The exporter before collectors that do what collectors do.
    @Suite(.serialized) struct TraceExporterTests {
        private final class Notes: Sendable {
            let all = Mutex<[String]>([])
            var list: [String] { all.withLock { $0 } }
        }

        /// A queue, an exporter that empties it, and what the operator was told.
        private struct Exporting {
            let queue: TraceQueue
            let notes = Notes()
            let exporter: TraceExporter

            init(
                to endpoint: String, spansMax: Int = 4_096,
                lookup: @escaping NameLookup = { SocketAddress.resolve(host: $0, port: $1) }
            ) throws {
                var settings = GatewaySettings.Tracing()
                settings.endpoint = endpoint
                let target = try #require(try TraceTarget(settings))
                queue = TraceQueue(spansMax: spansMax)
                exporter = try TraceExporter(
                    queue, to: target, batchWait: .milliseconds(20), lookup: lookup,
                    names: { NameTables() },
                    note: { [notes] note in notes.all.withLock { $0.append(note.text) } })
            }

            /// Hands over traces of three spans each.
            func put(_ count: Int) throws {
                var batch = try (1...count).map { try finishedTrace(spans: 3, id: UInt64($0)) }
                queue.put(&batch, now: MonotonicClock.now())
            }

            func dropped(_ why: TraceLoss) -> Int { queue.counts.now.dropped[why.rawValue] }

            /// Everything that was made has become something.
            func checkBalance(_ spans: Int) {
                let counts = queue.counts.now
                #expect(counts.exported + counts.dropped.reduce(0, +) == spans)
                #expect(queue.spanCount == 0)
            }
        }

        private static func taking(_ peer: UpstreamPeer) {
            while peer.nextRequest() != nil { peer.answer("", type: "application/x-protobuf") }
        }

        @Test func `spans reach the collector as it wants them`() throws {
            let collector = try ScriptedUpstream(Self.taking)
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url)
            try exporting.put(4)
            #expect(eventually { exporting.queue.counts.now.exported == 12 })
            exporting.exporter.stop()
            let request = try #require(collector.requests.first)
            #expect(collector.requests.count == 1)
            #expect(request.line == "POST /v1/traces HTTP/1.1")
            #expect(request.values("content-type") == ["application/x-protobuf"])
            #expect(request.values("host") == ["\(collector.address)"])
            let id = "00000000000000010000000000000004"
            #expect(ReadTrace(id, in: [request.body])?.parts.map(\.name) == ["receive", "queue"])
            exporting.checkBalance(12)
            #expect(exporting.notes.list.isEmpty)
        }

        @Test func `a path of the URL is kept, its slash alone is none`() throws {
            for (path, sent) in [("/", "/v1/traces"), ("/a/b?c=d", "/a/b?c=d"), ("?c", "/?c")] {
                var settings = GatewaySettings.Tracing()
                settings.endpoint = "http://127.0.0.1:1\(path)"
                #expect(try TraceTarget(settings)?.path == sent)
            }
            #expect(try TraceTarget(GatewaySettings.Tracing()) == nil)
        }

        @Test func `many spans go in several requests on one connection`() throws {
            let collector = try ScriptedUpstream(Self.taking)
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url)
            try exporting.put(1_000)
            #expect(eventually { exporting.queue.counts.now.exported == 3_000 })
            exporting.exporter.stop()
            // 341 exchanges fit 1,024 spans.
            #expect(collector.requests.count == 3)
            #expect(collector.connections.count == 1)
            exporting.checkBalance(3_000)
        }

        @Test func `who refuses is not asked again, and told of once`() throws {
            let collector = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("no", status: 413) }
            }
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url)
            try exporting.put(1)
            #expect(eventually { exporting.dropped(.refused) == 3 })
            try exporting.put(1)
            #expect(eventually { exporting.dropped(.refused) == 6 })
            exporting.exporter.stop()
            #expect(collector.requests.count == 2)
            #expect(exporting.queue.counts.now.failed == 2)
            #expect(exporting.notes.list.count == 1)
            #expect(exporting.notes.list[0].hasSuffix("spans are dropped and counted: HTTP 413"))
            exporting.checkBalance(6)
        }

        @Test func `what a collector takes but for some is counted apart`() throws {
            // partial_success: rejected_spans 2.
            let collector = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil { peer.answer("\n\u{2}\u{8}\u{2}") }
            }
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url)
            try exporting.put(2)
            #expect(eventually { exporting.queue.counts.now.delivered == 1 })
            exporting.exporter.stop()
            #expect(exporting.queue.counts.now.exported == 4)
            #expect(exporting.dropped(.rejected) == 2)
            #expect(exporting.notes.list.isEmpty)
        }

        @Test func `who is busy is asked again when it wishes`() throws {
            let collector = try ScriptedUpstream { peer in
                while peer.nextRequest() != nil {
                    if peer.requestCount > 1 {
                        peer.answer("")
                    } else {
                        peer.send(
                            "HTTP/1.1 503 X\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n")
                    }
                }
            }
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url)
            try exporting.put(2)
            #expect(eventually { exporting.queue.counts.now.failed == 1 })
            let refused = MonotonicClock.now()
            #expect(eventually { exporting.queue.counts.now.exported == 6 })
            #expect(MonotonicClock.now() - refused > .milliseconds(1_900))
            exporting.exporter.stop()
            let requests = collector.requests
            #expect(requests.count == 2)
            #expect(requests.first?.body == requests.last?.body)
            #expect(exporting.notes.list.count == 2)
            #expect(exporting.notes.list.last == "traces reach \(collector.url) again")
            exporting.checkBalance(6)
        }

        @Test func `who closes without an answer is asked again`() throws {
            let collector = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil, peer.requestCount > 1 else { return }
                peer.answer("")
                Self.taking(peer)
            }
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url)
            try exporting.put(1)
            #expect(eventually { exporting.queue.counts.now.exported == 3 })
            exporting.exporter.stop()
            #expect(exporting.queue.counts.now.failed == 1)
            #expect(collector.connections.count == 2)
            exporting.checkBalance(3)
        }

        @Test func `who says nothing holds up nobody's end for longer than a second`() throws {
            let collector = try ScriptedUpstream { peer in
                guard peer.nextRequest() != nil else { return }
                peer.waitForEnd()
            }
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url)
            try exporting.put(1)
            #expect(eventually { collector.requests.count == 1 })
            try exporting.put(2)
            let asked = MonotonicClock.now()
            exporting.exporter.stop()
            #expect(MonotonicClock.now() - asked < .milliseconds(1_900))
            #expect(exporting.dropped(.stopped) == 9)
            exporting.checkBalance(9)
        }

        @Test func `what waits when the gateway ends is sent at once`() throws {
            let collector = try ScriptedUpstream(Self.taking)
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url)
            try exporting.put(400)
            exporting.exporter.stop()
            #expect(exporting.queue.counts.now.exported == 1_200)
            exporting.checkBalance(1_200)
        }

        @Test func `a collector that is not there costs spans, counted by why`() throws {
            let collector = try ScriptedUpstream(Self.taking)
            collector.goDown()
            defer { collector.stop() }
            let exporting = try Exporting(to: collector.url, spansMax: 9)
            try exporting.put(5)
            #expect(exporting.dropped(.queueFull) == 6)
            #expect(eventually { exporting.queue.counts.now.failed >= 1 })
            #expect(exporting.notes.list.first?.contains("connection refused") == true)
            exporting.exporter.stop()
            #expect(exporting.dropped(.unavailable) + exporting.dropped(.stopped) == 9)
            exporting.checkBalance(15)
        }

        @Test func `a name that cannot be looked up is like a collector that is not there`() throws
        {
            let collector = try ScriptedUpstream(Self.taking)
            defer { collector.stop() }
            let asked = Mutex(0)
            let address = collector.address
            let exporting = try Exporting(
                to: "http://collector.test:\(address.port)",
                lookup: { host, _ in
                    let count = asked.withLock { count in
                        count += 1
                        return count
                    }
                    return count > 1
                        ? .success([address])
                        : .failure(ResolveError(host: host, reason: "not now"))
                })
            try exporting.put(1)
            #expect(eventually { exporting.queue.counts.now.exported == 3 })
            exporting.exporter.stop()
            #expect(exporting.queue.counts.now.failed == 1)
            #expect(exporting.notes.list.first?.contains("not now") == true)
            #expect(collector.requests.first?.values("host") == ["collector.test:\(address.port)"])
        }

        @Test func `a collector behind TLS is believed by its CA only, and sent the fields`() throws
        {
            let fixture = try TLSFixture.shared.get()
            let collector = try ScriptedUpstream(tls: fixture.server("server"), Self.taking)
            defer { collector.stop() }
            var settings = GatewaySettings.Tracing()
            settings.endpoint = "https://replica.test:\(collector.address.port)/in"
            settings.caFile = fixture.path("ca.pem")
            let path = NSTemporaryDirectory() + "sluice-headers-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: path) }
            try "authorization: Bearer x\n".write(toFile: path, atomically: true, encoding: .utf8)
            settings.headersFile = path
            let address = collector.address
            let target = try #require(try TraceTarget(settings))
            let queue = TraceQueue(spansMax: 100)
            let exporter = try TraceExporter(
                queue, to: target, batchWait: .zero, lookup: { _, _ in .success([address]) },
                names: { NameTables() }, note: { _ in })
            var batch = [try finishedTrace(spans: 3)]
            queue.put(&batch, now: MonotonicClock.now())
            #expect(eventually { queue.counts.now.exported == 3 })
            exporter.stop()
            #expect(collector.requests.first?.line == "POST /in HTTP/1.1")
            #expect(collector.requests.first?.values("authorization") == ["Bearer x"])
            // Without the CA nothing is sent.
            settings.caFile = nil
            let doubting = try TraceExporter(
                queue, to: try #require(try TraceTarget(settings)), batchWait: .zero,
                lookup: { _, _ in .success([address]) }, names: { NameTables() }, note: { _ in })
            batch = [try finishedTrace(spans: 3)]
            queue.put(&batch, now: MonotonicClock.now())
            #expect(eventually { queue.counts.now.failed > 0 })
            doubting.stop()
            #expect(collector.requests.count == 1)
        }
    }
}
