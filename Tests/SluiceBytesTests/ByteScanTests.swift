import Testing

@testable import SluiceBytes

/// Compares the word-wise scans with the obvious loop: every byte value at every place.
@Suite struct `A scan finds the first byte that` {
    private func check(
        _ filler: UInt8, _ isFound: (UInt8) -> Bool, _ scan: (Span<UInt8>, Int, Int) -> Int
    ) {
        var bytes = [UInt8](repeating: filler, count: 37)
        for byte in UInt8.min...UInt8.max {
            for place in 0..<bytes.count {
                bytes[place] = byte
                // Something to borrow from right behind it.
                if place + 1 < bytes.count { bytes[place + 1] = filler &+ 1 }
                for (start, end) in [(0, 37), (3, 29), (place, place + 1), (0, place)] {
                    let wanted = (start..<end).first { isFound(bytes[$0]) } ?? end
                    let found = scan(bytes.span, start, end)
                    if found != wanted {
                        #expect(found == wanted, "byte \(byte) at \(place) in \(start)..<\(end)")
                    }
                }
                bytes[place] = filler
                if place + 1 < bytes.count { bytes[place + 1] = filler }
            }
        }
    }

    @Test func `is a control`() {
        check(0x61, { $0 < 0x20 || $0 == 0x7F }) { $0.firstControl(from: $1, to: $2) }
        check(0x80, { $0 < 0x20 || $0 == 0x7F }) { $0.firstControl(from: $1, to: $2) }
    }

    @Test func `is below a bound`() {
        check(0x61, { $0 < 0x0E }) { $0.firstIndex(below: 0x0E, from: $1, to: $2) }
        check(0x0E, { $0 < 0x0E }) { $0.firstIndex(below: 0x0E, from: $1, to: $2) }
    }

    @Test func `is no letter and no hyphen`() {
        check(0x7A, { !(($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A && $0 < 0x80) && $0 != 0x2D }) {
            $0.firstIndexOfOtherThanLetterOrHyphen(from: $1, to: $2)
        }
        check(0x2D, { !(($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A && $0 < 0x80) && $0 != 0x2D }) {
            $0.firstIndexOfOtherThanLetterOrHyphen(from: $1, to: $2)
        }
    }

    @Test func `no request target may hold`() {
        check(0x21, { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x23 || $0 == 0x5C }) {
            $0.firstNonTargetByte(from: $1, to: $2)
        }
        check(0x22, { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x23 || $0 == 0x5C }) {
            $0.firstNonTargetByte(from: $1, to: $2)
        }
    }

    @Test func `is a given one`() {
        check(0x61, { $0 == 0x0A }) { $0.firstIndex(of: 0x0A, from: $1, to: $2) }
    }
}
