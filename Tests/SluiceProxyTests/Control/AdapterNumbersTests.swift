import Testing

@testable import SluiceProxy

@Suite struct AdapterNumbersTests {
    @Test func `an adapter keeps its number, other models have none`() {
        var numbers = AdapterNumbers()
        let (sql, chat) = (numbers.intern("sql"), numbers.intern("chat"))
        #expect(sql != 0 && chat != 0 && sql != chat)
        #expect(numbers.intern("sql") == sql && numbers.number(of: "sql") == sql)
        #expect(numbers.number(of: "base") == 0)
    }

    @Test func `beyond the bound adapters are not told apart`() {
        var numbers = AdapterNumbers()
        for index in 0..<AdapterNumbers.countMax { #expect(numbers.intern("a\(index)") != 0) }
        #expect(numbers.intern("one more") == 0 && numbers.number(of: "one more") == 0)
        #expect(numbers.intern("a0") != 0)
    }
}
