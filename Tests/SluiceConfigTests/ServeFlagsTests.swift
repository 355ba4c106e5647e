import SluiceExchange
import Testing

@testable import SluiceConfig

/// Who wins: flag > environment > file > default.
@Suite struct ServeFlagsTests {
    private func flags(_ set: (inout ServeFlags) -> Void) -> ServeFlags {
        var flags = ServeFlags()
        set(&flags)
        return flags
    }

    @Test func `serve works without a file`() throws {
        let flags = flags {
            $0.listen = "127.0.0.1:8080"
            $0.admin = "127.0.0.1:9801"
            $0.replicas = ["http://127.0.0.1:8101", "http://127.0.0.1:8102"]
            $0.workers = "2"
        }
        var expected = GatewaySettings()
        expected.listen = "127.0.0.1:8080"
        expected.workers = 2
        var pool = PoolSettings(name: "default")
        pool.replicas = flags.replicas.map { ReplicaSettings(url: $0) }
        expected.pools = [pool]
        #expect(try Configuration.load(flags: flags).settings == expected)
    }

    @Test func `every flag reaches the settings`() throws {
        let files = try TemporaryDirectory(["c.pem": certificateText, "k.pem": keyText])
        let read = try Configuration.load(
            flags: flags {
                $0.admin = "off"
                $0.status = "0.0.0.0:9802"
                $0.replicaDNS = "http://vllm:8000"
                $0.models = ["m"]
                $0.tlsCertificate = "\(files.path)/c.pem"
                $0.tlsKey = "\(files.path)/k.pem"
                $0.accessLog = "off"
            }
        ).settings
        #expect(read.admin == nil)
        #expect(read.status == "0.0.0.0:9802")
        #expect(read.pools.map(\.replicaDNS) == ["http://vllm:8000"])
        #expect(read.pools.map(\.models) == [["m"]])
        #expect(read.tls?.keyFile == "\(files.path)/k.pem")
        #expect(read.accessLog == .off)
    }

    @Test func `flags win over environment, environment over file`() throws {
        let text = "listen: 127.0.0.1:1\nstatus: 127.0.0.1:2\nworkers: 3\n\(pool)"
        let read = try settings(
            text, flags: flags { $0.listen = "127.0.0.1:7" },
            environment: [
                "SLUICE_LISTEN": "127.0.0.1:8", "SLUICE_STATUS": "127.0.0.1:9",
                "SLUICE_WORKERS": "",
            ])
        #expect(read.listen == "127.0.0.1:7")
        #expect(read.status == "127.0.0.1:9")
        #expect(read.workers == 3)
    }

    @Test func `every single-valued top-level key has a variable`() {
        #expect(
            Environment.keys == [
                "listen", "status", "admin", "workers", "access_log", "arrival_trace",
                "admin_routes", "ttft_slo", "default_class",
            ])
    }

    @Test func `errors name the flag or the variable`() {
        let flag = onlyError(pool, flags: flags { $0.listen = "8080" })
        #expect(flag.hasPrefix("--listen: error: listen: `8080` is a port without an address"))
        let variable = onlyError(pool, environment: ["SLUICE_WORKERS": "many"])
        #expect(variable.hasPrefix("environment SLUICE_WORKERS: error: workers: `many`"))
    }

    @Test func `a misspelt variable is refused, those of Kubernetes are not`() throws {
        let text = onlyError(pool, environment: ["SLUICE_LISTN": "x"])
        #expect(text.contains("Did you mean SLUICE_LISTEN?"))
        _ = try settings(
            pool,
            environment: [
                "SLUICE_SERVICE_HOST": "10.0.0.1", "SLUICE_PORT": "tcp://10.0.0.1:80",
                "SLUICE_ADMIN_PORT": "tcp://10.0.0.1:9801", "SLUICE_UNRELATED_THING": "x",
            ])
    }

    @Test func `replicas of flags and pools of a file contradict each other`() {
        for flags in [
            flags { $0.replicas = ["http://h:1"] }, flags { $0.replicaDNS = "http://h:1" },
            flags { $0.models = ["m"] },
        ] {
            let text = onlyError(pool, flags: flags)
            #expect(text.contains("contradicts the pools of the file (s.yaml:2:3)"), "\(text)")
        }
    }

    @Test func `replicas of flags complete a file without pools`() throws {
        let read = try settings("workers: 3", flags: flags { $0.replicas = ["http://h:1"] })
        #expect(read.workers == 3)
        #expect(read.pools.map(\.name) == ["default"])
    }

    @Test func `a model without a replica is refused`() {
        let found = errors(nil, flags: flags { $0.models = ["m"] })
        #expect(found.text.contains("--model: error: is given without --replica"))
    }

    @Test func `certificate without key is refused by flag`() throws {
        let files = try TemporaryDirectory(["c.pem": certificateText])
        let text = onlyError(pool, flags: flags { $0.tlsCertificate = "\(files.path)/c.pem" })
        #expect(
            text.hasPrefix(
                "--tls-cert: error: tls.cert_file: `\(files.path)/c.pem` is given without tls.key_file"
            ))
    }

    @Test func `nothing at all says what to do`() {
        let text = onlyError(nil)
        #expect(text.contains("sluice serve --replica http://127.0.0.1:8000"))
    }

    @Test func `a file that is not there is named`() {
        let found = #expect(throws: ConfigurationError.self) {
            try Configuration.load(flags: flags { $0.config = "/no/such/sluice.yaml" })
        }
        #expect(
            found?.text.contains("--config: error: `/no/such/sluice.yaml` does not exist") == true)
    }

    @Test func `a pipe is not waited for`() {
        let found = #expect(throws: ConfigurationError.self) {
            try Configuration.load(flags: flags { $0.config = "/dev/null" })
        }
        #expect(found?.text.contains("`/dev/null` is a pipe or a device") == true)
    }
}
