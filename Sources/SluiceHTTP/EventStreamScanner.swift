import SluiceBytes

/// What comes next of an event stream.
package enum EventStreamStep: Equatable, Sendable {
    /// The range holds no further end of an event.
    case needMore
    /// An event ends just before this offset, its blank line included.
    case event(end: Int)
}

/// Finds where server-sent events end, across any cut, in three bits of state.
///
/// Lines end in LF, CR LF or CR; a blank line ends an event. Where a blank line's CR ends the input,
/// the event ends there, and an LF that follows belongs to the next one's start, which is harmless.
/// Source: HTML Living Standard, 9.2.6 (parsing an event stream).
package struct EventStreamScanner: Sendable {
    private var isLineEmpty = true
    private var afterReturn = false
    private var hasBytes = false

    package init() {}

    /// Whether bytes of an unfinished event have been seen.
    package var isInsideEvent: Bool { hasBytes }

    /// Whether the next byte begins an event, and its first line.
    package var isBetweenEvents: Bool { isLineEmpty && !afterReturn && !hasBytes }

    /// The first end of an event in `range` of `bytes`; call again from there.
    package mutating func next(_ bytes: Span<UInt8>, in range: Range<Int>) -> EventStreamStep {
        var offset = range.lowerBound
        let end = range.upperBound
        while offset < end {
            if !isLineEmpty {
                // Inside a line: straight to what may end it. Text holds few bytes below a CR, and
                // looking for one bound is cheaper than looking for two bytes.
                offset = bytes.firstIndex(below: 0x0E, from: offset, to: end)
                if offset == end { return .needMore }
                if bytes[offset] == 0x0A, offset &+ 1 < end, bytes[offset &+ 1] == 0x0A {
                    // The end of nearly every event.
                    isLineEmpty = true
                    hasBytes = false
                    return .event(end: offset &+ 2)
                }
            }
            let byte = bytes[offset]
            offset &+= 1
            switch byte {
            case 0x0A:
                if afterReturn {
                    afterReturn = false
                    continue
                }
                if endsEvent() { return .event(end: offset) }
            case 0x0D:
                afterReturn = true
                if endsEvent() {
                    // The LF of this CR LF, if it is here, goes with the event it ends.
                    if offset < end, bytes[offset] == 0x0A {
                        offset &+= 1
                        afterReturn = false
                    }
                    return .event(end: offset)
                }
            default:
                afterReturn = false
                isLineEmpty = false
                hasBytes = true
            }
        }
        return .needMore
    }

    /// A line has ended; whether an event has with it.
    private mutating func endsEvent() -> Bool {
        if isLineEmpty {
            let ends = hasBytes
            hasBytes = false
            return ends
        }
        isLineEmpty = true
        return false
    }
}
