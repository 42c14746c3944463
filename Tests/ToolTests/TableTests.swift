import Testing

@testable import descent_tool

@Suite struct TableTests {
  @Test func columnsAreAsWideAsTheirWidestCell() {
    var table = Table(.left("rule"), .right("GB/s"), .left("storage"))
    table.append("sgd", "7.25", "float32")
    table.append("momentum", "12", "")
    #expect(
      table.rendered() == """
        rule      GB/s  storage
        ────────  ────  ───────
        sgd       7.25  float32
        momentum    12
        """)
  }

  @Test func longCharactersTakeNoRoom() {
    var table = Table(.left("a"), .right("b"))
    table.append("é", "e\u{301}e")
    #expect(table.rendered() == "a   b\n─  ──\né  e\u{301}e")
  }

  @Test func aCellIsOneLineWithoutControls() {
    var table = Table(.left("a"), .right("b"))
    table.append("\u{1B}[1mx\n\ty\u{9B}2J", "1")
    #expect(table.rows == [["\\u{1B}[1mx\\n\\ty\\u{009B}2J", "1"]])
  }

  @Test func aHeadingIsSetOffWithoutMovingTheColumns() {
    var table = Table(.right("n"), .left("name"))
    table.append("128", "x")
    #expect(
      table.rendered(heading: { "\u{1B}[1m\($0)\u{1B}[0m" })
        == "  \u{1B}[1mn\u{1B}[0m  \u{1B}[1mname\u{1B}[0m\n───  ────\n128  x")
  }

  @Test func aTableWithoutRowsHasItsTitles() {
    #expect(Table(.left("rule"), .right("n")).rendered() == "rule  n\n────  ─")
  }
}
