import HTTPTestSupport
import SluiceBytes
import SluiceHTTP
import Testing

// Every parser is fed through these: whole, cut in two at every byte, and byte by byte. A check that
// sees two verdicts for one input fails, whatever the verdicts are.

/// Parses one request head at every cut.
func requestEverywhere(
    _ input: [UInt8], limits: HeadLimits = HeadLimits(),
    _ location: SourceLocation = #_sourceLocation
) -> RequestVerdict {
    let whole = request(input, limits: limits)
    for cuts in Cuts.all(input.count) {
        let verdict = request(input, cuts: cuts, limits: limits)
        if verdict != whole {
            #expect(verdict == whole, "cut at \(cuts.prefix(3))", sourceLocation: location)
            break
        }
    }
    return whole
}

/// Parses one response head at every cut.
func responseEverywhere(
    _ input: [UInt8], to method: Method = .post, limits: HeadLimits = HeadLimits(),
    _ location: SourceLocation = #_sourceLocation
) -> ResponseVerdict {
    let whole = response(input, to: method, limits: limits)
    for cuts in Cuts.all(input.count) {
        let verdict = response(input, to: method, cuts: cuts, limits: limits)
        if verdict != whole {
            #expect(verdict == whole, "cut at \(cuts.prefix(3))", sourceLocation: location)
            break
        }
    }
    return whole
}

/// Decodes a body at every cut.
func bodyEverywhere(
    _ input: [UInt8], _ framing: BodyFraming, _ location: SourceLocation = #_sourceLocation
) -> BodyFacts {
    let whole = body(input, framing)
    for cuts in Cuts.all(input.count) {
        let facts = body(input, framing, cuts: cuts)
        if facts != whole {
            #expect(facts == whole, "cut at \(cuts.prefix(3))", sourceLocation: location)
            break
        }
    }
    return whole
}
