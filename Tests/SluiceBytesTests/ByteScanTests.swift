import Testing

@testable import SluiceBytes

/// The scans by lanes find what was put there among bytes they do not look for: every byte value at
/// every place, in spans that are shorter than the lanes, end inside them, and are long enough for
/// the unrolled loops.
@Suite struct `A scan finds the first byte that` {
    private func check(
        _ filler: UInt8, _ isFound: (UInt8) -> Bool, _ scan: (Span<UInt8>, Int, Int) -> Int
    ) {
        for count in [0, 1, 9, 16, 37] { check(filler, isFound, scan, count: count) }
        check(filler, isFound, scan, count: 211, step: 5)
    }

    private func check(
        _ filler: UInt8, _ isFound: (UInt8) -> Bool, _ scan: (Span<UInt8>, Int, Int) -> Int,
        count: Int, step: Int = 1
    ) {
        #expect(!isFound(filler))
        var bytes = [UInt8](repeating: filler, count: count)
        for byte in UInt8.min...UInt8.max {
            for place in stride(from: 0, to: count, by: step) {
                bytes[place] = byte
                // Something to borrow from right behind it.
                if place + 1 < bytes.count { bytes[place + 1] = filler &+ 1 }
                for (start, end) in [
                    (0, count), (min(3, count), max(3, count - 8)), (place, place + 1), (0, place),
                ] where end <= count {
                    let wanted =
                        [place, place + 1].first {
                            $0 >= start && $0 < end && isFound(bytes[$0])
                        } ?? end
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

    @Test func `is not plain text`() {
        check(0x61, { $0 < 0x20 || $0 >= 0x7F || $0 == 0x22 || $0 == 0x5C }) {
            $0.firstOtherThanPlainText(from: $1, to: $2)
        }
    }

    @Test func `ends a plain run of a string`() {
        for filler: UInt8 in [0x20, 0x21, 0x23, 0x7F] {
            check(filler, { $0 < 0x20 || $0 >= 0x80 || $0 == 0x22 || $0 == 0x5C }) {
                $0.firstStringStop(from: $1, to: $2)
            }
        }
    }

    @Test func `is a quote or a backslash`() {
        check(0x80, { $0 == 0x22 || $0 == 0x5C }) { $0.firstQuoteOrBackslash(from: $1, to: $2) }
    }

    @Test func `is a quote or a bracket`() {
        check(0x5A, { [0x22, 0x5B, 0x5D, 0x7B, 0x7D].contains($0) }) {
            $0.firstStructure(from: $1, to: $2)
        }
    }

    @Test func `is a given one`() {
        check(0x61, { $0 == 0x0A }) { $0.firstIndex(of: 0x0A, from: $1, to: $2) }
    }
}

@Suite struct `A scan from the end finds the last byte that` {
    private func check(
        _ filler: UInt8, _ isFound: (UInt8) -> Bool, _ scan: (Span<UInt8>, Int, Int) -> Int?
    ) {
        #expect(!isFound(filler))
        for count in [0, 1, 15, 16, 17, 53] {
            var bytes = [UInt8](repeating: filler, count: count)
            for byte in UInt8.min...UInt8.max {
                for place in 0..<count {
                    bytes[place] = byte
                    for (start, end) in [
                        (0, count), (min(3, count), max(3, count - 8)), (place, place + 1),
                        (place + 1, count),
                    ] where end <= count {
                        let isThere = place >= start && place < end && isFound(byte)
                        let wanted = isThere ? place : nil
                        let found = scan(bytes.span, start, end)
                        if found != wanted {
                            #expect(found == wanted, "\(byte) at \(place) in \(start)..<\(end)")
                        }
                    }
                    bytes[place] = filler
                }
            }
        }
    }

    @Test func `is a quote or a bracket`() {
        let structure = Set("\"{}[]".utf8)
        check(0x61, { structure.contains($0) }) { $0.lastStructure(from: $1, to: $2) }
    }

    @Test func `is the byte wanted`() {
        check(0x61, { $0 == 0x22 }) { $0.lastIndex(of: 0x22, from: $1, to: $2) }
    }
}

@Suite struct WordTests {
    @Test func `a word is lower-case letters and digits where each of its bytes is`() {
        let good = Set("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min...UInt8.max {
            for place in 0..<8 {
                let word =
                    0x7A39_6130_7A39_6130 & ~(0xFF << (8 * place)) | UInt64(byte) << (8 * place)
                for count in 0...8 {
                    let wanted = place >= count || good.contains(byte)
                    let found = word.isLowerAlphanumeric(count: count)
                    if found != wanted {
                        #expect(found == wanted, "\(byte) at \(place) of \(count)")
                    }
                }
            }
        }
    }
}

@Suite struct `Bytes that are compared` {
    @Test func `are alike at every length unless one of them is another`() {
        for n in 0...40 {
            let known = (0..<n).map { UInt8(0x41 + $0) }
            let text = [0x2E] + known + [0x2E]
            let isSame = text.span.hasBytes(known.span, from: 0, count: n, at: 1)
            #expect(isSame)
            for place in 0..<n {
                var other = text
                other[1 + place] ^= 1
                let isOther = !other.span.hasBytes(known.span, from: 0, count: n, at: 1)
                #expect(isOther)
            }
        }
    }
}
