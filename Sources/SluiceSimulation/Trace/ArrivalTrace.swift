import SluiceTime

/// What is wrong with a file of arrivals.
package struct ArrivalTraceError: Error, Equatable, CustomStringConvertible {
    /// Line in the file, from 1; 0 where it is about the whole.
    package let line: Int
    /// What is wrong and what is allowed.
    package let problem: String

    package var description: String {
        line == 0 ? problem : "line \(line): \(problem)"
    }
}

/// One request of a recording: its shape, never its content.
package struct TracedArrival: Equatable, Sendable {
    /// Since the first line of the recording was begun.
    package var offset: Nanoseconds
    package var className: String
    /// Tenants are numbered, not named; -1 where none was known.
    package var tenant: Int
    package var answers: AnswerKind
    package var lengths: RecordedLengths
}

/// When requests came and how long they were, as the gateway's `arrival_trace` wrote it down.
///
/// A file has one or more sections, each beginning with ``header``: one per start of the gateway.
/// They are put one after the other. Lines stand in the order in which requests *ended*.
package struct ArrivalTrace: Equatable, Sendable {
    /// First line of a section.
    package static let header = "# sluice arrival trace 1"
    /// Names of the fields, in order: the second line of a section.
    package static let fields =
        "offset_ms,route,class,tenant,prompt_tokens,max_tokens,stream,outcome,output_tokens"
    /// Requests at most, so that a wrong file cannot take all memory.
    package static let arrivalsMax = 5_000_000
    /// Longest section.
    package static let spanMax = Nanoseconds.seconds(7 * 86_400)

    /// In the order in which they came, the first at offset 0.
    package private(set) var arrivals: [TracedArrival]
    /// Lines of requests that no replica would have seen: refused for their own fault, or of routes
    /// that only count tokens.
    package private(set) var skipped = 0
    /// Whether the gateway stopped writing at its bound.
    package private(set) var isCut = false

    package init(arrivals: [TracedArrival]) { self.arrivals = arrivals }

    /// From the first arrival to the last; at least a millisecond.
    package var span: Nanoseconds {
        max(.milliseconds(1), arrivals.last?.offset ?? .zero)
    }

    /// Mean arrivals a second.
    package var perSecond: Double { Double(arrivals.count) / span.seconds }

    /// Reads a file.
    package init(text: String) throws(ArrivalTraceError) {
        arrivals = []
        var sectionStart = Nanoseconds.zero
        var number = 0
        var hasHeader = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            if line.isEmpty || line == Self.fields { continue }
            if line == Self.header {
                hasHeader = true
                sectionStart = arrivals.reduce(.zero) { max($0, $1.offset) }
                continue
            }
            guard hasHeader else {
                throw ArrivalTraceError(
                    line: number,
                    problem: "a recording begins with \"\(Self.header)\"; is this the file that "
                        + "arrival_trace wrote?")
            }
            if line.hasPrefix("#") {
                isCut = isCut || line.hasPrefix("# end")
                continue
            }
            guard let read = Self.arrival(line) else {
                throw ArrivalTraceError(
                    line: number, problem: "is not a line of \(Self.fields)")
            }
            guard var arrival = read else {
                skipped += 1
                continue
            }
            arrival.offset = sectionStart + arrival.offset
            arrivals.append(arrival)
            guard arrivals.count <= Self.arrivalsMax else {
                throw ArrivalTraceError(
                    line: number, problem: "more than \(Self.arrivalsMax) requests")
            }
        }
        guard arrivals.count > 1 else {
            throw ArrivalTraceError(
                line: 0, problem: "has \(arrivals.count) requests; a replay needs two at least")
        }
        arrivals.sort { $0.offset < $1.offset }
        let first = arrivals[0].offset
        for index in arrivals.indices { arrivals[index].offset = arrivals[index].offset - first }
    }

    /// Nil where the line is wrong; an inner nil where no replica would have seen the request.
    private static func arrival(_ line: Substring) -> TracedArrival?? {
        let parts = line.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 9, let offset = Double(parts[0]), offset >= 0,
            offset / 1_000 <= spanMax.seconds, let tenant = Int(parts[3]),
            (-1...1_048_576).contains(tenant), let prompt = Int(parts[4]),
            let most = Int(parts[5]), let output = Int(parts[8]),
            [prompt, most, output].allSatisfy({ (-1...10_000_000).contains($0) }),
            parts[6] == "0" || parts[6] == "1"
        else { return .none }
        let answers: AnswerKind
        switch parts[1] {
        case "embeddings", "rerank", "score", "pooling", "classify": answers = .embedding
        case "chat_completions", "completions", "responses", "messages", "audio_transcriptions",
            "audio_translations":
            answers = parts[6] == "1" ? .stream : .whole
        default: return .some(nil)
        }
        if parts[7] == "client_error" || parts[7] == "upstream_client_error" { return .some(nil) }
        // Only who was served in full has an answer of its real length.
        let length = parts[7] == "ok" && output > 0 ? output : nil
        return TracedArrival(
            offset: .seconds(clamping: offset / 1_000), className: String(parts[2]),
            tenant: tenant, answers: answers,
            lengths: RecordedLengths(
                promptTokens: max(1, prompt), outputTokens: length,
                outputMax: most > 0 ? most : nil))
    }

    /// The streams that replay it, one per class, tenant and kind of answer, with their shares.
    ///
    /// - Parameters:
    ///   - outputs: lengths for those that got no answer.
    ///   - classIndex: the number of a class by name; nil where there is no such class.
    ///   - tenants: tenants that are told apart; others are the first.
    package func streams(
        outputs: LognormalLengths, tenants: Int, classIndex: (String) -> Int?
    ) throws(ArrivalTraceError) -> [RequestStream] {
        struct Kind: Hashable {
            let className: String
            let tenant: Int
            let answers: AnswerKind
        }
        var places: [Kind: Int] = [:]
        var streams: [RequestStream] = []
        var offsets: [[Nanoseconds]] = []
        for arrival in arrivals {
            let tenant = (0..<tenants).contains(arrival.tenant) ? arrival.tenant : 0
            let kind = Kind(className: arrival.className, tenant: tenant, answers: arrival.answers)
            let place: Int
            if let known = places[kind] {
                place = known
            } else {
                guard let index = classIndex(arrival.className) else {
                    throw ArrivalTraceError(
                        line: 0,
                        problem: "has requests of class \(arrival.className), which the "
                            + "configuration does not have; give the --config it was recorded with")
                }
                var stream = RequestStream(.recorded([]))
                stream.classIndex = index
                stream.tenant = tenant
                stream.answers = arrival.answers
                stream.outputs = outputs
                place = streams.count
                places[kind] = place
                streams.append(stream)
                offsets.append([])
            }
            streams[place].recorded.append(arrival.lengths)
            offsets[place].append(arrival.offset)
        }
        for index in streams.indices { streams[index].arrivals = .recorded(offsets[index]) }
        return streams
    }
}
