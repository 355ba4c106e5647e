import SluiceBytes
import SluiceExchange
import SluiceProxy
import SluiceReactor
import SluiceTime
import Synchronization
import Testing

extension GatewayTests {
    /// What becomes of traffic when a name's addresses change.
    @Suite(.serialized) struct DiscoveryTests {
        @Test func `an address that comes is used, one that goes drains, and nothing is lost`()
            throws
        {
            let gate = Gate()
            let replicas = try (0..<3).map { try upstream($0, gate) }
            let names = Names(replicas[0], replicas[1])
            try run(replicas, names) { gateway in
                // Streams on both; those on the first outlast its address.
                let streams = try (0..<6).map { _ in try gateway.connect() }
                for stream in streams { stream.send(streamingChat) }
                for stream in streams { #expect(stream.read(until: token("a"))) }
                #expect(replicas[0].streams > 0)
                let load = try Load(on: gateway)
                #expect(replicas[0].answersMore() && replicas[1].answersMore())

                names.set(replicas[1], replicas[2])
                #expect(replicas[2].answersMore(), "the new address gets traffic")
                #expect(gateway.states("draining") == 1)
                let last = replicas[0].requests.count
                #expect(replicas[1].answersMore() && replicas[2].answersMore())
                #expect(replicas[0].requests.count == last, "the old one gets none")

                names.set(.failure(ResolveError(host: "replicas.test", reason: "no server")))
                #expect(replicas[1].answersMore() && replicas[2].answersMore())
                #expect(
                    gateway.metrics().map { $0.sum("sluice_dns_errors_total") > 0 } == true)

                names.set(replicas[2])
                #expect(gateway.waitsFor("draining", 2) && gateway.states("dead") == 0)
                gate.open()
                for stream in streams {
                    let answer = stream.readAnswer()
                    #expect(answer?.isWhole == true)
                    #expect(answer?.text == token("a") + token("b") + done)
                }
                #expect(gateway.waitsFor("draining", 0))
                let statuses = load.end()
                #expect(statuses.keys.sorted() == [200])
                // Long before the four seconds that an idle connection may live.
                let areClosed = eventually(within: .seconds(2)) { replicas[0].open == 0 }
                #expect(areClosed, "idle connections to a replica that is gone are closed")
            }
        }

        @Test func `when every address changes at once nothing is lost`() throws {
            let replicas = try (0..<4).map { try upstream($0, Gate()) }
            let names = Names(replicas[0], replicas[1])
            try run(replicas, names) { gateway in
                let load = try Load(on: gateway)
                for round in 0..<10 {
                    let pair = round % 2 == 0 ? replicas[2...] : replicas[..<2]
                    names.set(.success(pair.map(\.address)))
                    #expect(pair.allSatisfy { $0.answersMore() }, "round \(round)")
                }
                #expect(load.end().keys.sorted() == [200])
                #expect(gateway.waitsFor("draining", 0))
            }
        }

        @Test
        func `a replica configured by name moves with it, and keeps its address while it may`()
            throws
        {
            let replicas = try (0..<2).map { try upstream($0, Gate()) }
            let names = Names(replicas[0])
            try run(
                replicas, names,
                change: { settings in
                    settings.pools[0].replicaDNS = nil
                    settings.pools[0].replicas = [ReplicaSettings(url: "http://one.test:8000")]
                }
            ) { gateway in
                let load = try Load(on: gateway)
                #expect(replicas[0].answersMore())
                names.set(replicas[1], replicas[0])
                #expect(replicas[0].answersMore())
                #expect(replicas[1].requests.isEmpty)
                names.set(replicas[1])
                #expect(replicas[1].answersMore())
                let page = gateway.page("/metrics")?.text ?? ""
                let series = page.split(separator: "\n").filter {
                    $0.hasPrefix("sluice_replica_inflight{")
                }
                #expect(series.count == 1)
                #expect(load.end().keys.sorted() == [200])
            }
        }

        @Test func `a name that no server answers for holds up no other`() throws {
            let upstream = try upstream(0, Gate())
            let gate = Gate()
            let address = upstream.address
            try GatewayUnderTest.run(
                [upstream],
                change: { settings in
                    settings.pools[0].replicas = ["dead.test", "one.test"].map {
                        ReplicaSettings(url: "http://\($0):8000")
                    }
                },
                lookup: { host, _ in
                    while host == "dead.test", !gate.isOpen { pause(.milliseconds(5)) }
                    return .success([address])
                }
            ) { gateway in
                #expect(eventually(within: .seconds(3)) { gateway.states("ready") == 1 })
                let status = try gateway.ask(chat()).status
                #expect(status == 200)
                gate.open()
            }
        }

        // MARK: Parts

        /// A name server that a test can change or break.
        private final class Names: Sendable {
            private let answer: Guarded<Result<[SocketAddress], ResolveError>>
            private let asked = Atomic<Int>(0)

            init(_ upstreams: ScriptedUpstream...) {
                answer = Guarded(.success(upstreams.map(\.address)))
            }

            func set(_ upstreams: ScriptedUpstream...) {
                set(.success(upstreams.map(\.address)))
            }

            /// Waits until the new answer has been given twice, so that the first has been taken.
            func set(_ result: Result<[SocketAddress], ResolveError>) {
                answer.withLock { $0 = result }
                let before = asked.load(ordering: .relaxed)
                _ = eventually { self.asked.load(ordering: .relaxed) >= before + 2 }
            }

            var lookup: NameLookup {
                { [self] _, _ in
                    asked.add(1, ordering: .relaxed)
                    return answer.withLock { $0 }
                }
            }
        }

        /// Clients that ask one request after the other until told to end.
        private final class Load: @unchecked Sendable {
            private let isOver = Gate()
            private let statuses = Guarded<[Int: Int]>([:])
            private var threads: [Client] = []

            private final class Client {
                var thread: WorkerThread?
            }

            init(on gateway: GatewayUnderTest, clients: Int = 4) throws {
                for _ in 0..<clients {
                    let holder = Client()
                    holder.thread = try WorkerThread(name: "test-client") { [self] in
                        while !isOver.isOpen { ask(gateway) }
                    }
                    threads.append(holder)
                }
            }

            /// A few requests on one connection; 0 is no answer.
            private func ask(_ gateway: GatewayUnderTest) {
                guard let client = try? gateway.connect() else { return }
                for _ in 0..<20 where !isOver.isOpen {
                    client.send(chat())
                    let status = client.readAnswer()?.status ?? 0
                    statuses.withLock { $0[status, default: 0] += 1 }
                }
            }

            /// How many answers of each status there were.
            func end() -> [Int: Int] {
                isOver.open()
                for client in threads { client.thread.take()?.join() }
                return statuses.withLock { $0 }
            }
        }

        /// Answers chats at once; a stream ends when the gate is open.
        private func upstream(_ number: Int, _ gate: Gate) throws -> ScriptedUpstream {
            try ScriptedUpstream { peer in
                while let request = peer.nextRequest() {
                    guard request.text.contains("stream") else {
                        peer.answer("\(number)")
                        continue
                    }
                    peer.send(streamHead + chunk(token("a")))
                    peer.wait(for: gate)
                    peer.send(chunk(token("b")) + chunk(done) + "0\r\n\r\n")
                }
            }
        }

        private func run(
            _ upstreams: [ScriptedUpstream], _ names: Names,
            change: (inout GatewaySettings) -> Void = { _ in },
            _ body: (GatewayUnderTest) throws -> Void
        ) throws {
            try GatewayUnderTest.run(
                upstreams,
                change: { settings in
                    settings.pools[0].replicas = []
                    settings.pools[0].replicaDNS = "http://replicas.test:8000"
                    settings.pools[0].dnsInterval = .milliseconds(20)
                    change(&settings)
                }, lookup: names.lookup, body)
        }
    }
}

extension ScriptedUpstream {
    /// Streams asked for so far.
    fileprivate var streams: Int { requests.count { $0.text.contains("stream") } }

    /// Connections with clients' requests that the gateway has not closed.
    fileprivate var open: Int { state.withLock { $0.connections.count - $0.endings.count } }

    /// Waits for a further request.
    fileprivate func answersMore() -> Bool {
        let before = requests.count
        return eventually { self.requests.count > before }
    }
}
