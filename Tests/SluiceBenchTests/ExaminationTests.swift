import SluiceEndpoint
import SluiceReactor
import SluiceTime
import Testing
import VLLMSimulator

@testable import SluiceBench

@Suite struct ExaminationTests {
    private func examine(
        keyOfReplica: String? = nil, key: String? = nil, models: [String] = [], idle: Bool = false
    ) throws -> [Finding] {
        var configuration = SimulatedReplica.Configuration()
        configuration.models = ["m"]
        configuration.apiKey = keyOfReplica
        let any = try #require(SocketAddress("127.0.0.1:0"))
        let replica = try SimulatorThread(
            configuration, listen: any, keepAlive: .milliseconds(1_200))
        defer { replica.stop() }
        let loop = try EndpointLoop()
        var subject = Examination.Subject(target: try LoadTarget(url: "http://\(replica.address)"))
        subject.apiKey = key
        subject.models = models
        let examination = Examination(subject, on: loop)
        examination.run()
        if idle {
            examination.beginIdle()
            while !examination.observeIdle(limit: .seconds(8)) {
                loop.turn(maxWait: .milliseconds(20))
            }
        }
        return examination.findings
    }

    private func fails(_ findings: [Finding]) -> [String] {
        findings.filter { $0.verdict == .fail }.map(\.check)
    }

    @Test func `a replica as it should be has only good findings`() throws {
        let findings = try examine(models: ["m"], idle: true)
        #expect(findings.allSatisfy { $0.verdict == .ok })
        let checks = findings.map(\.check)
        #expect(
            checks == ["health", "version", "key", "models", "metrics", "load", "keep-alive"])
    }

    @Test func `a key that is missing or wrong is named with the next step`() throws {
        #expect(fails(try examine(keyOfReplica: "k")) == ["key"])
        #expect(fails(try examine(keyOfReplica: "k", key: "other")) == ["key"])
        #expect(fails(try examine(keyOfReplica: "k", key: "k")) == [])
        let idle = try examine(key: "k").filter { $0.verdict == .warn }
        #expect(idle.map(\.check) == ["key"])
    }

    @Test func `a model that is not served is a failure`() throws {
        #expect(fails(try examine(models: ["m", "x"])) == ["models"])
    }

    @Test func `where nobody listens nothing else is asked`() throws {
        let any = try #require(SocketAddress("127.0.0.1:0"))
        let replica = try SimulatorThread(SimulatedReplica.Configuration(), listen: any)
        let url = "http://\(replica.address)"
        replica.stop()
        let examination = Examination(
            .init(target: try LoadTarget(url: url)), on: try EndpointLoop())
        examination.run()
        #expect(examination.findings.map(\.check) == ["health"])
        #expect(examination.findings.allSatisfy { $0.verdict == .fail && $0.step != nil })
    }
}
