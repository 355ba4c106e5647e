import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceVLLM

/// Bodies of requests: taken as they come, within the memory that all of them may have together.
extension Worker {
    /// What a chunked body reserves beyond what has come of it.
    private static var stepBytes: Int { 65_536 }

    /// The largest body that is taken: one that outgrows what all may have would never fit.
    var bodyBytesMax: Int { min(settings.limits.bodyBytesMax, shared.bodies.bytesMax) }

    /// Takes the body's bytes that have come.
    func takeBody(_ d: UInt32) {
        let e = downstreams[d].exchange
        let bytesMax = bodyBytesMax
        switch downstreams[d].moveBody(
            into: &exchanges[e], &readers[e].peek, like: &requestTemplate.value,
            bytesMax: bytesMax, pool)
        {
        case .more:
            let expected = min(bytesMax, exchanges[e].bodyCount + Self.stepBytes)
            if !reserveCome(e, expecting: expected) { refuse(e, .gatewayMemory) }
        case .whole:
            if reserveCome(e, expecting: 0) {
                requestComplete(e)
            } else {
                refuse(e, .gatewayMemory)
            }
        case .tooLarge: refuse(e, .bodyTooLarge(bytesMax: bytesMax))
        case .malformed(let error):
            shard.parseError(.downstream, error: error.requestIndex)
            refuse(e, Refusal(error.status, .badFraming, error.reason.description))
        }
    }

    /// Reserves the memory of what has come beyond what is reserved; what else is expected, where there
    /// is room for that. A body of a stated length has all it needs.
    @inline(__always)
    private func reserveCome(_ e: UInt32, expecting bytes: Int) -> Bool {
        let count = exchanges[e].bodyCount
        if count <= BufferPool.blockBytes || count <= exchanges[e].reservedBytes { return true }
        return reserveMore(e, bytes: max(count, bytes)) || reserveMore(e, bytes: count)
    }

    /// Reserves the body's memory in the budget all workers share; small ones live in pool blocks.
    @inline(__always) func reserve(_ e: UInt32, bytes: Int) -> Bool {
        bytes <= BufferPool.blockBytes || reserveMore(e, bytes: bytes)
    }

    private func reserveMore(_ e: UInt32, bytes: Int) -> Bool {
        let more = bytes - exchanges[e].reservedBytes
        guard more > 0 else { return true }
        guard shared.bodies.reserve(more) else { return false }
        exchanges[e].reservedBytes += more
        return true
    }
}

/// What moving body bytes led to.
enum BodyProgress {
    case more, whole, tooLarge
    case malformed(BodyError)
}

extension DownstreamConnection {
    // `mutating`, and `inout` what it does not change: see Worker+Request.swift.

    /// Moves body bytes from the input to the exchange, past the peek.
    mutating func moveBody(
        into exchange: inout Exchange, _ peek: inout RequestPeek,
        like template: inout RequestTemplate, bytesMax: Int, _ pool: BufferPool
    ) -> BodyProgress {
        var offset = 0
        while true {
            switch exchange.bodyDecoder.next(input.bytes, from: offset) {
            case .data(let range):
                guard exchange.bodyCount + range.count <= bytesMax else { return .tooLarge }
                peek.feed(
                    input.bytes.extracting(range), isLast: exchange.bodyDecoder.isComplete,
                    like: &template)
                exchange.multipart?.value.feed(input.bytes.extracting(range))
                exchange.request.append(input.bytes, range)
                offset = range.upperBound
            case .needMore(let end):
                consumeInput(end, pool)
                return .more
            case .end(let end):
                consumeInput(end, pool)
                return .whole
            case .failed(let error):
                return .malformed(error)
            }
        }
    }
}
