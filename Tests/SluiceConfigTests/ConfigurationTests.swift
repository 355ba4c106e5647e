import SluiceExchange
import SluiceTime
import Testing

@testable import SluiceConfig

/// The steps *default* and *validate relations*, as an operator sees them.
@Suite struct ConfigurationTests {
    @Test func `every key of the file reaches the settings`() throws {
        let files = try TemporaryDirectory([
            "c.pem": certificateText, "k.pem": keyText, "key": "secret-key\n",
        ])
        let read = try Configuration.read(
            """
            listen: 127.0.0.1:1
            status: 127.0.0.1:2
            admin: off
            tls: {cert_file: c.pem, key_file: k.pem}
            workers: 3
            access_log: ./access.log
            trusted_proxies: [10.0.0.0/8, "::1"]
            admin_routes: on
            ttft_objectives: [500ms, 2s]
            limits:
              head_bytes_max: 16KiB
              fields_max: 50
              target_bytes_max: 4096
              body_bytes_max: 1MiB
              bodies_bytes_max: 1GiB
              connections_max: 10
              requests_per_connection_max: 11
              relay_high_water_bytes: 8KiB
            timeouts:
              {head: 1s, body_idle: 2s, keep_alive_idle: 3s, connect: 4s, first_content: 5s,
               stream_idle: 6s, stream_total: 11s, write_stall: 7s, head_hold_max: 8s, drain_delay: 9s,
               drain_max: 10s}
            pools:
              - name: p
                models: [m]
                aliases: [a, b]
                replicas:
                  - {url: "https://h:1", name: r, metrics_url: "http://h:9/m", weight: 2.5,
                     gpu_metrics_url: "http://h:9400/metrics", gpus: [0, GPU-5f],
                     api_key_file: key, ca_file: c.pem}
                  - http://h:2/
                replica_dns: http://n:3
                dns_interval: 1s
                api_key_file: key
                ca_file: c.pem
                scrape_interval: 2s
                scrape_timeout: 3s
                retries: false
                usage: off
                replica_inflight_max: 4
                queue_length_max: 5
                queue_bytes_max: 6MiB
                queue_wait_max: 7s
                wedged_after: 8s
            """, name: "\(files.path)/s.yaml"
        ).settings

        var expected = GatewaySettings()
        expected.listen = "127.0.0.1:1"
        expected.status = "127.0.0.1:2"
        expected.admin = nil
        expected.tls = .init(
            certificateFile: "\(files.path)/c.pem", keyFile: "\(files.path)/k.pem")
        expected.workers = 3
        expected.accessLog = .file("\(files.path)/./access.log")
        expected.trustedProxies = ["10.0.0.0/8", "::1"]
        expected.allowsAdminRoutes = true
        expected.timeToFirstTokenObjectives = [.milliseconds(500), .seconds(2)]
        expected.limits.headBytesMax = 16_384
        expected.limits.fieldsMax = 50
        expected.limits.targetBytesMax = 4_096
        expected.limits.bodyBytesMax = 1 << 20
        expected.limits.bodiesBytesMax = 1 << 30
        expected.limits.connectionsMax = 10
        expected.limits.requestsPerConnectionMax = 11
        expected.limits.relayHighWaterBytes = 8_192
        expected.timeouts.head = .seconds(1)
        expected.timeouts.bodyIdle = .seconds(2)
        expected.timeouts.keepAliveIdle = .seconds(3)
        expected.timeouts.connect = .seconds(4)
        expected.timeouts.firstContent = .seconds(5)
        expected.timeouts.streamIdle = .seconds(6)
        expected.timeouts.streamTotal = .seconds(11)
        expected.timeouts.writeStall = .seconds(7)
        expected.timeouts.headHoldMax = .seconds(8)
        expected.timeouts.drainDelay = .seconds(9)
        expected.timeouts.drainMax = .seconds(10)
        var pool = PoolSettings(name: "p")
        pool.models = ["m"]
        pool.aliases = ["a", "b"]
        var replica = ReplicaSettings(url: "https://h:1")
        replica.name = "r"
        replica.metricsURL = "http://h:9/m"
        replica.gpuMetricsURL = "http://h:9400/metrics"
        replica.gpus = ["0", "GPU-5f"]
        replica.weight = 2.5
        replica.apiKeyFile = "\(files.path)/key"
        replica.caFile = "\(files.path)/c.pem"
        var plain = ReplicaSettings(url: "http://h:2")
        plain.apiKeyFile = "\(files.path)/key"  // the pool's; its CA is of no use over http
        pool.replicas = [replica, plain]
        pool.replicaDNS = "http://n:3"
        pool.dnsInterval = .seconds(1)
        pool.apiKeyFile = "\(files.path)/key"
        pool.caFile = "\(files.path)/c.pem"
        pool.scrapeInterval = .seconds(2)
        pool.scrapeTimeout = .seconds(3)
        pool.retries = false
        pool.usage = .off
        pool.replicaInflightMax = 4
        pool.queueLengthMax = 5
        pool.queueBytesMax = 6 << 20
        pool.queueWaitMax = .seconds(7)
        pool.wedgedAfter = .seconds(8)
        expected.pools = [pool]
        #expect(read == expected)

        // /config shows all of it, no secret, and reads back as the same.
        let shown = Configuration.render(read)
        #expect(!shown.contains("secret-key"))
        #expect(try Configuration.read(shown, name: "shown").settings == expected)
    }

    @Test(arguments: [
        ("limits: {fields_max: 0}", "limits.fields_max: `0` is below"),
        ("limits: {fields_max: 101}", "`101` is above the largest allowed value"),
        ("limits: {fields_max: 1.5}", "`1.5` is not a whole number"),
        ("limits: {fields_max: [1]}", "is a list, expected a single value"),
        ("limits: {fields_max: }", "has no value"),
        ("limits: 3", "limits: is a single value, expected keys"),
        ("limits:", "limits: is empty, expected keys"),
        ("limits: {head_bytes_max: 1023}", "Allowed: 1KiB … 256KiB. Default: 32KiB."),
        ("timeouts: {connect: 5}", "Write 5s or 5ms."),
        ("timeouts: {connect: 9ms}", "Allowed: 10ms … 1m. Default: 1s."),
        ("timeouts: {conect: 1s}", "Did you mean `connect`?"),
        ("timeouts: {fields_max: 3}", "There is `limits.fields_max`"),
        ("listne: 1.2.3.4:5", "Did you mean `listen`?"),
        ("workers: 65", "Allowed: 1 … 64, or auto."),
        ("workers: 0", "Allowed: 1 … 64, or auto."),
        ("admin_routes: maybe", "Allowed: true or false."),
        (
            "access_log: stdot",
            "Did you mean stdout?\n    Allowed: off, stdout, or a path with a /, such as ./access.log. Default: stdout."
        ),
        ("access_log: /no/such/dir/log", "Create it first.\n    Allowed: off, stdout, or a path"),
        (
            "listen: localhost:80",
            "Write 127.0.0.1:80 or [::1]:80.\n    Allowed: IP:PORT, such as 0.0.0.0:8080, 127.0.0.1:9801 or [::]:8080. Default: 0.0.0.0:8080."
        ),
        (
            "status: nowhere",
            "has no port\n    1 | status: nowhere\n      |         ^\n    Allowed: IP:PORT"
        ),
        ("status: 9802", "[::]:8080, or off. Default: off."),
        ("admin_routes: 1", "Allowed: true or false. Default: false."),
        ("tracing: {sample_ratio: -1}", "Allowed: 0 … 1. Default: "),
        ("trusted_proxies: [x]", "Allowed: an IP address or CIDR block, such as 10.0.0.0/8"),
        (
            "tracing: {endpoint: 'grpc://c:4317'}",
            "Allowed: off, or http://"
        ),
        ("access_log: /no/such/dir/log", "the directory `/no/such/dir` does not exist"),
        ("access_log: /tmp", "`/tmp` is a directory"),
        ("arrival_trace: stdout", "For a file write ./stdout."),
        ("arrival_trace: /no/such/dir/a.csv", "the directory `/no/such/dir` does not exist"),
        ("tracing: {endpoint: collector}", "Did you mean http://collector:4318?"),
        ("tracing: {endpoint: 'grpc://c:4317'}", "`grpc://c:4317` has scheme `grpc`"),
        ("tracing: {endpoint: 'http://me:secret@c'}", "holds a user name or password (not shown)"),
        ("tracing: {sample_ratio: 1.1}", "Allowed: 0 … 1."),
        ("tracing: {service_name: ''}", "Allowed: 1 … 128 characters. Default: sluice."),
        ("tracing: {queue_spans_max: 63}", "Allowed: 64 … 1,000,000. Default: 16384."),
        ("tracing: {headers_file: /no/such}", "`/no/such` does not exist"),
        ("tracing: {sampling: 1}", "tracing.sampling: unknown key"),
        ("trusted_proxies: 10.0.0.0/8", "Write it as [10.0.0.0/8]"),
        (
            "trusted_proxies: [10.0.0.1/8]",
            "trusted_proxies[0]: `10.0.0.1/8` has bits set beyond /8"
        ),
        ("ttft_objectives: [2h]", "ttft_objectives[0]: `2h` is above"),
        (
            "status: 127.0.0.1:8080",
            "`127.0.0.1:8080` takes the address and port of `listen`, `0.0.0.0:8080` (default)"
        ),
        (
            "status: '[::]:9801'",
            "`[::]:9801` takes the address and port of `admin`, `127.0.0.1:9801` (default)"
        ),
        (
            "listen: 127.0.0.1:9801",
            "`127.0.0.1:9801` takes the address and port of `admin`, `127.0.0.1:9801` (default)"
        ),
        ("limits: {target_bytes_max: 64KiB}", "exceeds head_bytes_max (32KiB)"),
        ("limits: {head_bytes_max: 4KiB}", "exceeds head_bytes_max (4KiB)"),
        ("limits: {bodies_bytes_max: 1MiB}", "`1MiB` is below body_bytes_max (64MiB) (default)"),
        ("tls: {}", "names neither cert_file nor key_file"),
        ("tls: {cert_file: /no/such.pem}", "`/no/such.pem` does not exist"),
    ])
    func `a wrong value is named with what is allowed`(text: String, expected: String) {
        let found = errors("\(text)\n\(pool)")
        #expect(found.text.contains(expected), "\(found.text)")
        #expect(found.text.contains("s.yaml:1:"), "\(found.text)")
    }

    @Test(arguments: ["hello", "- a\n- b"])
    func `a file that is no mapping is told so, and nothing else`(text: String) {
        let found = onlyError(text)
        #expect(found.contains("s.yaml:1:1: error: is a "), "\(found)")
        #expect(found.contains("expected keys such as `listen: …`"), "\(found)")
    }

    @Test func `what has no default does not claim one`() {
        let found = onlyError("pools: [{name: a b, replicas: [http://h:1]}]")
        #expect(found.contains("Allowed: 1 … 64 letters"), "\(found)")
        #expect(!found.contains("Default"), "\(found)")
    }

    @Test(arguments: [
        ("gpu", "Did you mean http://gpu:8000?"), ("gpu:80", "Did you mean http://gpu:80?"),
        ("", "is empty"),
    ])
    func `a URL without a scheme is told what was probably meant`(url: String, expected: String) {
        let found = onlyError("pools: [{name: a, replicas: ['\(url)']}]")
        #expect(found.contains(expected), "\(found)")
    }

    @Test(arguments: [
        ("pools: []", "there is nothing to forward to"),
        ("pools:", "Expected a list"),
        ("pools: x", "expected a list"),
        ("pools: {name: a}", "Put `- ` in front of the first key"),
        ("pools: [a]", "pools[0]: is a single value, expected keys"),
        ("pools: [{name: a}]", "has neither replicas nor replica_dns"),
        ("pools: [{replicas: [http://h:1]}]", "`name` is missing"),
        (
            "pools: [{replicas: [http://h:1]}]",
            "unique.\n    Allowed: 1 … 64 letters, digits and . _ : - [ ]."
        ),
        ("pools: [{name: 'a b', replicas: [http://h:1]}]", "`a b` is not a name"),
        ("pools: [{name: a, replicas: [{weight: 1}]}]", "`url` is missing"),
        ("pools: [{name: a, replicas: [h:1]}]", "Did you mean http://h:1?\n    Allowed: http://"),
        (
            "pools: [{name: a, usage: injct, replicas: [http://h:1]}]",
            "Did you mean inject?\n    Allowed: inject, observe, off. Default: inject."
        ),
        (
            "pools: [{name: a, replicas: [http://127.0.0.1:9801]}]",
            "`127.0.0.1:9801` is this gateway's own `admin` address"
        ),
        (
            "pools: [{name: a, replicas: [http://h:1, http://H:1/]}]",
            "`h:1` is listed already: pools[0].replicas[0].url (line 1)"
        ),
        (
            "pools: [{name: a, replicas: [{url: 'http://h:1', weight: 101}]}]",
            "Allowed: 0.01 … 100."
        ),
        (
            "pools: [{name: a, replicas: [{url: 'http://h:1', ca_file: /etc/hosts}]}]",
            "holds no certificate"
        ),
        (
            "pools: [{name: a, replicas: [{url: 'http://h:1', name: n}, {url: 'http://h:2', name: n}]}]",
            "`n` is the name of another replica"
        ),
        ("pools: [{name: a, replica_dns: 'http://10.0.0.1:1'}]", "has an address, not a name"),
        (
            "pools: [{name: a, replicas: [http://h:1]}, {name: a, replicas: [http://h:2]}]",
            "`a` is the name of another pool: pools[0].name (line 1)"
        ),
        (
            "pools: [{name: a, models: [m], replicas: [http://h:1]}, {name: b, aliases: [m], replicas: [http://h:2]}]",
            "pools[1].aliases[0]: `m` is already a model or alias"
        ),
        (
            "pools: [{name: a, models: [m], weight: 1, replicas: [http://h:1]}, {name: b, models: [m], replicas: [http://h:2]}]",
            "To share its requests among pools, give each of them a `weight`."
        ),
        (
            "pools: [{name: a, models: [m, m], weight: 1, replicas: [http://h:1]}, {name: b, models: [m], weight: 1, replicas: [http://h:2]}]",
            "pools[0].models[1]: `m` is already a model or alias"
        ),
        (
            "pools: [{name: a, models: [m], weight: 0, replicas: [http://h:1]}, {name: b, models: [m], weight: 0, replicas: [http://h:2]}]",
            "pools[0].models[0]: `m` is shared by pools that all have the weight 0"
        ),
        (
            "pools: [{name: a, weight: -1, replicas: [http://h:1]}]",
            "pools[0].weight: `-1` is below the smallest allowed value"
        ),
        (
            "pools: [{name: a, models: ['x y'], replicas: [http://h:1]}]",
            "`x y` is not a model name"
        ),
        (
            "pools: [{name: a, usage: none, replicas: [http://h:1]}]",
            "Allowed: inject, observe, off."
        ),
        (
            "pools: [{name: a, replicas: [http://localhost:9801]}]",
            "is this gateway's own `admin` address"
        ),
        (
            "{pools: [{name: a, replicas: ['http://127.0.0.1:8080']}], listen: '127.0.0.1:8080'}",
            "is this gateway's own `listen` address (line 1)"
        ),
        ("", "there is nothing to forward to"),
    ])
    func `a wrong pool is refused`(text: String, expected: String) {
        let text = onlyError(text)
        #expect(text.contains(expected), "\(text)")
        #expect(text.hasPrefix("s.yaml:1:"), "\(text)")
    }

    @Test func `an error shows the line and points at the value`() {
        #expect(
            onlyError("limits:\n  fields_max: many\n\(pool)") == """
                s.yaml:2:15: error: limits.fields_max: `many` is not a whole number
                    2 |   fields_max: many
                      |               ^
                    Allowed: 1 … 100. Default: 100.
                """)
    }

    @Test func `all errors are reported, in the order of the file, up to twenty`() {
        let few = errors("workers: x\nlimits: {fields_max: 0}\nlisten: x\n\(pool)")
        #expect(few.issues.map(\.path) == ["workers", "limits.fields_max", "listen"])
        #expect(few.text.hasSuffix("3 errors in the configuration; nothing was started.\n"))
        let many = errors((1...30).map { "key\($0): 1\n" }.joined() + pool)
        #expect(many.issues.count == 20)
        #expect(many.omittedCount == 10)
        #expect(many.text.contains("… and 10 more"))
    }

    @Test(arguments: [
        "pools: [{name: a, replicas: ['http://u:hunter2@h:1']}]",
        "pools: [{name: a, replicas: [{url: 'http://u:hunter2@h:1', bad: 1}]}]",
        "pools: [{name: a, replicas: ['u:hunter2@h:1']}]",
        "listen: http://u:hunter2@h:1", "pools: [{name: a, replica_dns: 'ftp://u:hunter2@h'}]",
    ])
    func `passwords in URLs are never printed`(text: String) {
        #expect(!errors(text).text.contains("hunter2"))
    }

    @Test func `files have to be there and of their kind`() throws {
        let files = try TemporaryDirectory([
            "c.pem": certificateText, "k.pem": keyText, "empty": "", "two": "a\nb\n",
        ])
        func found(_ tls: String) -> String {
            errors("\(tls)\n\(pool)", name: "\(files.path)/s.yaml").text
        }
        #expect(
            found("tls: {cert_file: k.pem, key_file: c.pem}")
                .contains("are certificate and key swapped?"))
        #expect(found("tls: {cert_file: empty, key_file: k.pem}").contains("empty` is empty"))
        #expect(found("tls: {cert_file: ., key_file: k.pem}").contains("is a directory"))
        #expect(found("tls: {cert_file: c.pme, key_file: k.pem}").contains("holds `c.pem`"))
        #expect(found("tls: {cert_file: c.pem}").contains("is given without tls.key_file"))
        #expect(found("tls: {key_file: k.pem}").contains("is given without tls.cert_file"))
        let key = onlyError(
            "pools: [{name: a, api_key_file: two, replicas: [http://h:1]}]",
            name: "\(files.path)/s.yaml")
        #expect(key.contains("does not hold one line"))
        let authority = onlyError(
            "pools: [{name: a, replicas: [{url: 'http://h:1', ca_file: c.pem}]}]",
            name: "\(files.path)/s.yaml")
        #expect(authority.contains("No certificate is checked over http"))
        let gpus = onlyError(
            "pools: [{name: a, replicas: [{url: 'http://h:1', gpus: [0]}]}]", name: "s.yaml")
        #expect(gpus.contains("says which GPUs, but there is no gpu_metrics_url"))
    }

    @Test func `what only use has shown wrong has the place of its key`() throws {
        let files = try TemporaryDirectory(["c.pem": certificateText, "k.pem": keyText])
        let read = try Configuration.read(
            "tls:\n  cert_file: c.pem\n  key_file: k.pem\n\(pool)", name: "\(files.path)/s.yaml")
        let found = read.error([
            ("tls.key_file", "`k.pem`: is wrong"), ("tls.cert_file", "`c.pem`: is wrong"),
            ("pools[0].ca_file", "is wrong"),
        ])
        let lines = found.text.split(separator: "\n").map(String.init)
        #expect(lines[0] == "\(files.path)/s.yaml:2:14: error: tls.cert_file: `c.pem`: is wrong")
        #expect(lines[1] == "    2 |   cert_file: c.pem")
        #expect(lines[3].hasPrefix("\(files.path)/s.yaml:3:13: error: tls.key_file: `k.pem`"))
        // What stands nowhere has the place of what is around it.
        #expect(lines[6].hasPrefix("\(files.path)/s.yaml:5:5: error: pools[0].ca_file"))
        #expect(found.text.hasSuffix("3 errors in the configuration; nothing was started.\n"))
    }

    @Test func `an admin listener that others reach is a warning`() throws {
        let read = try Configuration.read("admin: 0.0.0.0:9801\n\(pool)", name: "s.yaml")
        #expect(read.warnings.count == 1)
        #expect(read.summary.contains("warning: admin listens on 0.0.0.0:9801"))
    }
}
