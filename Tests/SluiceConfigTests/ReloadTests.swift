import SluiceConfig
import SluiceExchange
import Testing

@Suite struct ReloadTests {
    private static let base = """
        pools:
          - {name: a, replicas: [http://h:1, http://h:2]}
          - {name: b, models: [m], replicas: [http://h:3]}
        """

    private func restartKeys(_ text: String) throws -> [String] {
        let new = try settings(text)
        return Configuration.changedKeys(from: try settings(Self.base).adopting(new), to: new)
    }

    @Test func `replicas, models and bounds of a pool are taken over`() throws {
        let new = """
            pools:
              - {name: a, replicas: [http://h:9], queue_length_max: 5, scrape_interval: 2s}
              - {name: b, models: [m, n], replicas: [http://h:3]}
            """
        let keys = try restartKeys(new)
        #expect(keys == [])
        let adopted = try settings(Self.base).adopting(settings(new))
        let whole = try settings(new)
        #expect(adopted == whole)
    }

    @Test(arguments: [
        ("listen: 127.0.0.1:1\n", "listen"), ("timeouts: {connect: 3s}\n", "timeouts.connect"),
        ("workers: 3\n", "workers"),
    ])
    func `keys outside of pools need a restart and are named`(line: String, key: String) throws {
        let keys = try restartKeys(line + Self.base)
        #expect(keys == [key])
    }

    @Test func `other files of tls are taken over, but TLS is not put on`() throws {
        var old = try settings(Self.base)
        var new = old
        new.tls = .init(certificateFile: "/a.pem", keyFile: "/a.key")
        #expect(old.adopting(new).tls == nil)
        #expect(Configuration.changedKeys(from: old, to: new) == ["tls"])
        old.tls = .init(certificateFile: "/b.pem", keyFile: "/b.key")
        #expect(old.adopting(new) == new)
    }

    @Test func `what workers hold of a pool needs a restart`() throws {
        let new = """
            pools:
              - {name: a, replicas: [http://h:1], retries: false}
              - {name: b, models: [m], replicas: [http://h:3], usage: off}
            """
        let keys = try restartKeys(new)
        #expect(keys == ["pools[0].retries", "pools[1].usage"])
    }

    @Test func `a pool more or less needs a restart, the others change all the same`() throws {
        let new = "pools: [{name: a, replicas: [http://h:9]}]"
        let keys = try restartKeys(new)
        #expect(keys == ["pools"])
        let adopted = try settings(Self.base).adopting(settings(new))
        #expect(adopted.pools.map(\.name) == ["a", "b"])
        #expect(adopted.pools[0].replicas.map(\.url) == ["http://h:9"])
    }

    private static let classes = "classes: [{name: a, ttft_slo: 1s}, {name: standard}]\n"

    @Test func `values of classes and tenants are taken over`() throws {
        let old = try settings(Self.classes + Self.base)
        let new = try settings(
            """
            classes: [{name: a, ttft_slo: 2s, min_share: 0.1}, {name: standard, max_share: 0.5}]
            default_class: a
            tenants: [{name: t, weight: 3, class_max: standard}]
            \(Self.base.replacing("name: a,", with: "name: a, admission: {mode: shadow},"))
            """)
        #expect(old.adopting(new) == new)
        let back = new.adopting(old)
        #expect(back == old)
    }

    @Test(arguments: [
        "classes: [{name: standard}, {name: a, ttft_slo: 1s}]",
        "classes: [{name: a, ttft_slo: 1s}, {name: standard}, {name: b}]",
        "classes: [{name: standard}]", "ttft_slo: 2s",
    ])
    func `a class more, less or elsewhere needs a restart`(line: String) throws {
        let old = try settings(Self.classes + Self.base)
        let new = try settings("\(line)\ntenants: [{name: t, weight: 3}]\n\(Self.base)")
        let adopted = old.adopting(new)
        #expect(adopted.classes == old.classes)
        #expect(adopted.tenants == new.tenants)
        let keys = Configuration.changedKeys(from: adopted, to: new)
        #expect(keys.allSatisfy { $0.hasPrefix("classes") } && !keys.isEmpty, "\(keys)")
    }

    @Test func `tenants of a class that waits for a restart wait with it`() throws {
        let old = try settings(Self.base)
        let new = try settings(
            "classes: [{name: a}, {name: standard}]\ntenants: [{name: t, class_max: a}]\n"
                + Self.base)
        #expect(old.adopting(new).tenants == [])
        let keys = Configuration.changedKeys(from: old.adopting(new), to: new)
        #expect(keys == ["classes", "tenants"])
    }
}
