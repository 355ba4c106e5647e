import SluiceBytes
import Testing

@Suite struct RoomWriterTests {
    @Test func `pieces are written behind what a buffer holds, and its block stays its own`() {
        let pool = BufferPool(blocksKeptMax: 1)
        var buffer = pool.acquire()
        buffer.append("xold " as StaticString)
        buffer.consume(1)
        var room = RoomWriter(to: &buffer, atMost: 400)
        let (isEmpty, hasStorage) = (buffer.isEmpty, buffer.hasStorage)
        #expect(isEmpty && !hasStorage, "the memory is the writer's meanwhile")
        let long = [UInt8](repeating: 0x61, count: 200)
        room.append("literal ")
        room.append(long.span)
        room.append(long.span.extracting(0..<7))
        room.append(long.span.extracting(0..<0))
        room.append(packed: 0x2120, count: 2)
        room.appendDecimal(-12)
        room.append(" ")
        room.appendThousandths(1_234_567)
        room.giveBack(to: &buffer)
        let text = String(repeating: "a", count: 207)
        #expect(buffer.text() == "old literal \(text) !-12 1234.567")
        buffer.append(" more" as StaticString)
        #expect(buffer.text().hasSuffix("567 more"))
        pool.release(&buffer)
        #expect(pool.blocksOut == 0)
        #expect(pool.bytesHeld == BufferPool.blockBytes)
    }

    @Test func `memory is found for what was asked for, also where a buffer has none`() {
        var buffer = ByteBuffer()
        for count in [1, 200, 5_000] {
            let piece = [UInt8](repeating: UInt8(count & 0x7F), count: count)
            var room = RoomWriter(to: &buffer, atMost: count)
            room.append(piece.span)
            room.giveBack(to: &buffer)
            #expect(Array(buffer.array().suffix(count)) == piece)
        }
        #expect(buffer.count == 5_201)
    }

    @Test func `what is not given back is lost, and nothing else`() {
        var buffer = ByteBuffer()
        buffer.append("lost" as StaticString)
        do {
            var room = RoomWriter(to: &buffer, atMost: 8)
            room.append(" too")
        }
        let isEmpty = buffer.isEmpty
        #expect(isEmpty)
        buffer.append("new" as StaticString)
        #expect(buffer.text() == "new")
    }
}
