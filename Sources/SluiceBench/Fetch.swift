import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceTime

/// A whole answer to one small request.
package struct FetchedAnswer: Sendable {
    package var status = 0
    /// Names in lower case.
    package var fields: [(name: String, value: String)] = []
    package var body: [UInt8] = []

    /// The value of the first field of this name, which is given in lower case.
    package subscript(field field: String) -> String? {
        fields.first { $0.name == field }?.value
    }
}

extension HTTPClient {
    /// A request to `path` of a target with the fields that all of ours carry.
    package static func request(
        _ method: SluiceHTTP.Method = .get, _ path: String, at target: LoadTarget, apiKey: String?
    ) -> ClientRequest {
        var request = ClientRequest(host: target.authority)
        request.method = method
        request.target = target.prefix + path
        request.fields = [("user-agent", "sluice")]
        if let apiKey { request.fields.append(("authorization", "Bearer \(apiKey)")) }
        request.tls = target.tls.map { ($0, target.host) }
        return request
    }

    /// Asks, and calls `done` once with the whole answer or why there is none.
    @discardableResult
    package func fetch(
        _ request: ClientRequest, at target: LoadTarget,
        _ done: @escaping (Result<FetchedAnswer, ClientFailure>) -> Void
    ) -> ClientExchange {
        let collected = Collected()
        var handlers = ClientHandlers()
        handlers.onHead = { status, fields in
            collected.answer.status = status
            collected.answer.fields = fields
        }
        handlers.onBody = { buffer, range in collected.answer.body += buffer.array(range) }
        handlers.onEnd = { done(.success(collected.answer)) }
        handlers.onFailure = { done(.failure($0)) }
        return send(request, to: target.address, handlers)
    }

    /// Asks and turns the loop until there is an answer: for commands that do one thing at a time.
    ///
    /// Ends within the request's `connectMax` and `totalMax`.
    package func fetchNow(
        _ request: ClientRequest, at target: LoadTarget, on loop: EndpointLoop
    ) -> Result<FetchedAnswer, ClientFailure> {
        let box = Box()
        fetch(request, at: target) { box.result = $0 }
        while true {
            if let result = box.result { return result }
            loop.turn(maxWait: .milliseconds(100))
        }
    }

    private final class Collected { var answer = FetchedAnswer() }
    private final class Box { var result: Result<FetchedAnswer, ClientFailure>? }
}
