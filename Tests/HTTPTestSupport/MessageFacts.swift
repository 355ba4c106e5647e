import SluiceHTTP

/// A field line in plain form.
package struct Line: Equatable {
    package var name: String
    package var value: String
    package var known: KnownField
    package var isNominated: Bool

    package init(name: String, value: String, known: KnownField, isNominated: Bool) {
        self.name = name
        self.value = value
        self.known = known
        self.isNominated = isNominated
    }
}

/// All that a request head says.
package struct RequestHeadFacts: Equatable {
    package var method: Method
    package var methodName: String
    package var target: String
    package var path: String
    package var query: String
    package var version: HTTPVersion
    package var framing: BodyFraming
    package var keepAlive: Bool
    package var expectsContinue: Bool
    package var host: String?
    package var lines: [Line]
    package var byteCount: Int
}

/// All that a response head says.
package struct ResponseHeadFacts: Equatable {
    package var status: Int
    package var reason: String
    package var version: HTTPVersion
    package var framing: BodyFraming
    package var keepAlive: Bool
    package var keepAliveTimeoutSeconds: Int?
    package var isEventStream: Bool
    package var lines: [Line]
    package var byteCount: Int
}

/// What a parser said in the end.
package enum Verdict<Facts: Equatable, Failure: Error & Equatable>: Equatable {
    case needMore
    case complete(Facts)
    case failed(Failure)

    /// The facts of a complete head.
    package var facts: Facts? {
        if case .complete(let facts) = self { facts } else { nil }
    }
    /// The error of a refused one.
    package var failure: Failure? {
        if case .failed(let failure) = self { failure } else { nil }
    }
}

package typealias RequestVerdict = Verdict<RequestHeadFacts, RequestError>
package typealias ResponseVerdict = Verdict<ResponseHeadFacts, ResponseError>

/// What came of a body.
package struct BodyFacts: Equatable {
    package enum End: Equatable {
        case open
        /// The body's framing ended here.
        case ended(at: Int)
        case failed(BodyError)
        /// The decoder asked for more before it had used what there was: never right.
        case leftBehind(at: Int)
    }
    package var data: [UInt8] = []
    package var end = End.open
    /// Whether the end of the connection now would be the body's proper end.
    package var mayEndHere = false

    package init(data: [UInt8] = [], end: End = .open, mayEndHere: Bool = false) {
        self.data = data
        self.end = end
        self.mayEndHere = mayEndHere
    }
}
