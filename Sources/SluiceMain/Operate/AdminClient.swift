import ArgumentParser
import SluiceBench
import SluiceEndpoint
import SluiceHTTP
import SluiceTime

/// The admin listener of a running gateway, as commands ask it.
struct AdminClient: ParsableArguments {
    @Option(
        help: ArgumentHelp("Admin listener of the gateway.", valueName: "url"))
    var admin = "http://127.0.0.1:9801"

    /// Where to ask; leaves with 64 where the URL is none.
    func target() throws -> LoadTarget {
        do {
            return try LoadTarget(url: admin)
        } catch {
            throw ValidationError("--admin \(admin): \(error)")
        }
    }

    /// Asks, and prints the answer; leaves with 1 where it is no good one.
    func ask(_ method: SluiceHTTP.Method, _ path: String) throws {
        print(String(decoding: try answer(method, path), as: UTF8.self), terminator: "")
    }

    /// Asks, and hands over the answer's body; leaves with 1 where it is no good one.
    func answer(_ method: SluiceHTTP.Method, _ path: String) throws -> [UInt8] {
        let target = try target()
        let loop = try EndpointLoop()
        var request = HTTPClient.request(method, path, at: target, apiKey: nil)
        request.fields.append(("x-sluice-admin", "1"))
        switch HTTPClient(on: loop).fetchNow(request, at: target, on: loop) {
        case .success(let answer) where answer.status == 200: return answer.body
        case .success(let answer):
            let said = String(decoding: answer.body.prefix(1_000), as: UTF8.self)
            printError("sluice: \(admin)\(path): HTTP \(answer.status): \(said)")
            throw ExitCode(1)
        case .failure(let failure):
            printError(
                "sluice: \(admin): \(failure.sentence); is this the admin listener (--admin)?\n")
            throw ExitCode(1)
        }
    }
}
