import SluiceBytes
import Testing

@Suite struct ByteBufferTests {
    @Test(arguments: [0, 7, 9, 10, 99, 100, 1_234_567, Int.max, Int.min, -1])
    func `decimal and hexadecimal digits equal the standard library's`(number: Int) {
        var buffer = ByteBuffer()
        buffer.appendDecimal(number)
        #expect(buffer.text() == String(number))
        buffer.removeAll()
        buffer.appendHex(number)
        #expect(buffer.text() == String(UInt(bitPattern: number), radix: 16))
    }

    @Test func `digits are right around every power of ten and at random`() {
        var numbers = (0..<20_000).map { Int($0) }
        var power = 1
        for _ in 0..<18 {
            numbers += [power - 1, power, power + 1, power * 9]
            power *= 10
        }
        numbers += (0..<20_000).map { 1 << ($0 % 63) | Int.random(in: 0...(1 << ($0 % 62))) }
        var buffer = ByteBuffer()
        for number in numbers {
            buffer.removeAll()
            buffer.appendDecimal(number)
            let digits = String(number)
            if buffer.text() != digits { #expect(buffer.text() == digits) }
            buffer.removeAll()
            buffer.appendThousandths(UInt64(number))
            let padded = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            let point = "\(padded.dropLast(3)).\(padded.suffix(3))"
            if buffer.text() != point { #expect(buffer.text() == point) }
        }
        buffer.removeAll()
        buffer.appendThousandths(.max)
        #expect(buffer.text() == "18446744073709551.615")
    }

    @Test func `a copy of any length is exact`() {
        let source = (0..<200).map { UInt8($0) }
        for count in 0...200 {
            var buffer = ByteBuffer()
            buffer.append(0xFF as UInt8)
            buffer.append(source.span, 0..<count)
            #expect(buffer.array() == [0xFF] + source[..<count])
        }
    }

    @Test func `bytes come out in the order they went in, across growth and consumption`() {
        var buffer = ByteBuffer()
        var expected: [UInt8] = []
        for i in 0..<3_000 {
            buffer.append(UInt8(truncatingIfNeeded: i))
            expected.append(UInt8(truncatingIfNeeded: i))
            if i % 3 == 0 {
                buffer.consume(1)
                expected.removeFirst()
            }
        }
        #expect(buffer.array() == expected)
        buffer.truncate(to: 5)
        #expect(buffer.array() == Array(expected.prefix(5)))
    }

    @Test func `a block given back is handed out again and counted`() {
        let pool = BufferPool(blocksKeptMax: 1)
        var a = pool.acquire()
        var b = pool.acquire()
        #expect(pool.blocksOut == 2)
        a.append("x" as StaticString)
        pool.release(&a)
        pool.release(&b)
        pool.release(&b)
        #expect(pool.blocksOut == 0)
        #expect(pool.bytesHeld == BufferPool.blockBytes)
        let c = pool.acquire()
        let (isEmpty, capacity) = (c.isEmpty, c.capacity)
        #expect(isEmpty && capacity == BufferPool.blockBytes)
    }
}

@Suite struct ByteScanTests {
    @Test func `the first match is found at every place and length`() {
        for length in 0..<40 {
            for place in 0...length {
                var bytes = [UInt8](repeating: 0x0B, count: length)
                if place < length { bytes[place] = 0x0A }
                if place + 2 < length { bytes[place + 2] = 0x0A }
                #expect(bytes.span.firstIndex(of: 0x0A, from: 0, to: length) == place)
            }
        }
    }

    @Test func `names compare as ASCII, not as Unicode`() {
        let bytes = Array("Content-LENGTH\u{212A}".utf8)
        let span = bytes.span
        let verdicts = [
            span.equalsIgnoringCase("content-length", in: 0..<14),
            span.equalsIgnoringCase("k", in: 14..<17),
            span.equals("content-length", in: 0..<14),
            span.hasBytes("xyz", at: 16),
        ]
        #expect(verdicts == [true, false, false, false])
    }

    @Test func `parts of two texts compare only where both lie inside`() {
        let (a, b) = (Array("abcdef".utf8), Array("xxcdex".utf8))
        let places = [(2, 2, 3), (2, 2, 4), (0, 0, 0), (6, 6, 0), (4, 2, 2), (2, 2, 5), (-1, 0, 1)]
        var found: [Bool] = []
        for (at, from, count) in places {
            found.append(a.span.hasBytes(b.span, from: from, count: count, at: at))
        }
        found.append(a.span.hasBytes(b.span, from: 2, count: -1, at: 2))
        found.append(a.span.hasBytes(b.span, from: 7, count: 0, at: 0))
        #expect(found == [true, false, true, true, false, false, false, false, false])
    }
}
