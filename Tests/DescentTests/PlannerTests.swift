import DescentKernels
import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Plans over random layouts and cuts: every element exactly once, in order, by the right group.
@Suite struct PlannerTests {
  /// A generator with the same numbers everywhere.
  struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 1
      return PinnedSteps.mix(state)
    }
  }

  /// A layout of up to 12 tensors in up to 4 groups, some of them empty, packed or with gaps, and
  /// the options of a step over it.
  struct Case {
    var random: Random
    var layout = ParameterLayout()
    /// By group.
    var programs: [Int] = []
    var sets: [Int] = []
    var leftOut: [Bool] = []

    init(_ seed: UInt64) throws {
      random = Random(state: seed << 20)
      let alignment = [4, 4, 64, 512].randomElement(using: &random) ?? 4
      layout = try ParameterLayout(alignment: alignment)
      for index in 0..<Int.random(in: 1...12, using: &random) {
        let count = [0, 1, 3, 16, 100, 16_384, 16_385, 40_000].randomElement(using: &random) ?? 0
        let gap = Int.random(in: 0...3, using: &random) == 0 ? 7 : 0
        try layout.append(
          "t\(index)", shape: [count], group: "g\(Int.random(in: 0...3, using: &random))",
          at: gap == 0 ? nil : layout.count + gap)
      }
      let most = Int.random(in: 0...2, using: &random)
      programs = layout.groupNames.map { _ in Int.random(in: 0...most, using: &random) }
      sets = layout.tensors.map { _ in Int.random(in: 0...2, using: &random) }
      leftOut = layout.tensors.map { _ in Int.random(in: 0...4, using: &random) == 0 }
    }

    var programCount: Int { (programs.max() ?? 0) + 1 }

    /// Cuts of a vector of so many elements, some pieces of which are empty.
    mutating func cuts(_ count: Int) -> Pieces {
      let inner = (0..<Int.random(in: 0...6, using: &random)).map { _ in
        Int.random(in: 0...count, using: &random)
      }
      let starts = [0] + inner.sorted() + [count]
      return Pieces(counts: zip(starts, starts.dropFirst()).map { $1 - $0 })
    }
  }

  static let seeds = Array(UInt64(1)...200)

  private struct Uncovered: Error { let element: Int }

  @Test("runs cover every tensor's elements once, in order, in one piece of every vector")
  func runs() throws {
    for seed in Self.seeds {
      var own = try Case(seed)
      let maps = StateMap.maps(
        own.layout, programOfGroup: own.programs, count: own.programCount)
      let count = own.layout.count
      let (x, g, v) = (own.cuts(count), own.cuts(count), own.cuts(count))
      let states = maps.map { ($0, own.cuts($0.count)) }
      let plan = StepPlan(
        own.layout.stretches(sets: own.sets, leftOut: own.leftOut, programs: own.programs),
        parameters: x, gradients: g, states: states, vectors: v)
      var runs = plan.runs[...]
      // The elements of each program's states that were met.
      var used = maps.map { [Bool](repeating: false, count: $0.count) }
      for (index, tensor) in own.layout.tensors.enumerated() {
        let group = try #require(own.layout.groupNames.firstIndex(of: tensor.group))
        for element in tensor.range {
          while let run = runs.first, run.start + run.count <= element { runs.removeFirst() }
          guard let run = runs.first else { throw Uncovered(element: element) }
          // One requirement of a value, as there are many elements and each takes its time.
          var isRight =
            run.start <= element
            && run.group == (own.leftOut[index] ? own.layout.groupNames.count : group)
            && run.set == own.sets[index] && run.program == own.programs[group]
          for (place, pieces) in [
            (run.parameters, x), (run.gradients, g), (run.vectors, v),
          ] {
            let piece = pieces[place.piece]
            isRight = isRight && place.origin == piece.lowerBound && piece.contains(element)
          }
          let segment = states[run.program].1[run.states.piece]
          let state = segment.lowerBound + element - run.states.origin
          isRight =
            isRight && segment.contains(state)
            && maps[run.program].place(of: element..<element + 1) == state..<state + 1
            && !used[run.program][state]
          try #require(isRight, "seed \(seed)")
          used[run.program][state] = true
        }
      }
      let elements = plan.runs.reduce(0) { $0 + $1.count }
      #expect(elements == own.layout.elementCount, "seed \(seed): nothing between tensors")
    }
  }

  @Test("parts of a range are its elements once, in order, each in the piece that holds it")
  func pieces() throws {
    for seed in Self.seeds {
      var own = try Case(seed)
      let pieces = own.cuts(own.layout.count)
      for _ in 0..<10 {
        let bounds = (0..<2).map { _ in Int.random(in: 0...pieces.count, using: &own.random) }
        let range = (bounds.min() ?? 0)..<(bounds.max() ?? 0)
        var next = range.lowerBound
        pieces.forEachPart(of: range) { piece, offset, part in
          #expect(part.lowerBound == next && !part.isEmpty, "seed \(seed)")
          #expect(pieces[piece].clamped(to: part) == part, "seed \(seed)")
          #expect(part.lowerBound == pieces[piece].lowerBound + offset, "seed \(seed)")
          next = part.upperBound
        }
        #expect(next == range.upperBound, "seed \(seed)")
      }
    }
  }

  @Test("a program's states have elements for its tensors, at multiples of the alignment")
  func stateMaps() throws {
    for seed in Self.seeds {
      let own = try Case(seed)
      let maps = StateMap.maps(
        own.layout, programOfGroup: own.programs, count: own.programCount)
      #expect(maps.count == own.programCount)
      if maps.count == 1 {
        #expect(maps == [StateMap(count: own.layout.count)])
        continue
      }
      for (program, map) in maps.enumerated() {
        for (extent, next) in zip(map.extents, map.extents.dropFirst()) {
          let end = extent.origin + extent.range.count
          #expect(extent.range.upperBound <= next.range.lowerBound)
          #expect(end <= next.origin && next.origin < end + StateMap.alignment)
          #expect(next.origin.isMultiple(of: StateMap.alignment))
        }
        // Elements for tensors of other programs would be memory that nothing uses.
        for tensor in own.layout.tensors where !tensor.range.isEmpty {
          let group = try #require(own.layout.groupNames.firstIndex(of: tensor.group))
          let covered = map.extents.contains { $0.range.overlaps(tensor.range) }
          #expect(covered == (own.programs[group] == program), "seed \(seed)")
        }
      }
    }
  }

  @Test("blocks of the processor part the runs: every element once, whatever the block")
  func blocks() throws {
    for seed in Self.seeds {
      var own = try Case(seed)
      let count = own.layout.count
      let maps = [StateMap(count: count)]
      let plan = StepPlan(
        own.layout.stretches(), parameters: own.cuts(count), gradients: own.cuts(count),
        states: [(maps[0], Pieces(count: count))], vectors: Pieces(count: count))
      let runs = UnsafeMutableBufferPointer<StepPlan.Run>.allocate(capacity: plan.runs.count)
      defer { runs.deallocate() }
      _ = runs.initialize(from: plan.runs)
      let block = [1_000, 16_384, 65_536].randomElement(using: &own.random) ?? 1_000
      var parts: [Range<Int>] = []
      for start in stride(from: 0, to: count, by: block) {
        StepPlan.forEachPart(of: start..<min(start + block, count), in: runs) { run, part in
          #expect(part.lowerBound >= run.start && part.upperBound <= run.start + run.count)
          parts.append(part)
        }
      }
      #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
      #expect(parts.reduce(0) { $0 + $1.count } == own.layout.elementCount, "seed \(seed)")
    }
  }

  @Test(
    "tiles cover every tensor that is not idle once; sets hold each of them once, and all at the end"
  )
  func tiles() throws {
    for seed in Self.seeds {
      var own = try Case(seed)
      var control = StepControl()
      control.clipping =
        [Clipping.globalNorm(1), .tensorNorm(1), .value(1)].randomElement(using: &own.random)
      control.skipsNonFinite = true
      control.groupClipping = own.layout.groupNames.map { _ in
        Bool.random(using: &own.random) ? nil : .globalNorm(2)
      }
      control.isFrozen = own.layout.groupNames.map { _ in Bool.random(using: &own.random) }
      control.leftOut = own.leftOut
      let plan = NormPlan(own.layout, control)
      var tiles = plan.tiles[...]
      var looked: [Int] = []
      for (index, tensor) in own.layout.tensors.enumerated() {
        let group = try #require(own.layout.groupNames.firstIndex(of: tensor.group))
        if control.isFrozen[group] || own.leftOut[index] { continue }
        looked.append(index)
        var start = tensor.range.lowerBound
        while start < tensor.range.upperBound {
          let first = tiles.popFirst()
          let tile = try #require(first)
          try #require(tile.start == start && (1...Tile.length).contains(tile.count))
          start += tile.count
        }
        #expect(start == tensor.range.upperBound || tensor.range.isEmpty, "seed \(seed)")
      }
      #expect(tiles.isEmpty, "seed \(seed)")
      let lists = zip(plan.sets.starts, plan.sets.starts.dropFirst()).map { first, end in
        plan.sets.list[Int(first)..<Int(end)].map(Int.init)
      }
      #expect(lists.last == Array(looked.indices), "seed \(seed)")
      #expect(lists.dropLast().joined().sorted() == Array(looked.indices), "seed \(seed)")
      for (place, index) in looked.enumerated() {
        #expect(lists[plan.setOfTensor[index]].contains(place), "seed \(seed)")
      }
      #expect(plan.limits.count == lists.count - 1)
    }
  }

  #if OpenCL
  @Test("segments cut no tile, fit an allocation and are the whole vector", .needsDevice)
  func segments() throws {
    let queue = try #require(try TestDevices.queues.get().first)
    for seed in Self.seeds {
      var own = try Case(seed)
      let limit = [1 << 16, 1 << 17, 1 << 18].randomElement(using: &own.random) ?? 1 << 16
      let context = try Context(queue.device, largestAllocation: limit)
      let maps = StateMap.maps(
        own.layout, programOfGroup: own.programs, count: own.programCount)
      let tiles = Tile.covering(own.layout.tensors).tiles
      let cuts = SegmentCuts(own.layout, context)
      let pieces = cuts.pieces(of: 0..<own.layout.count)
      #expect(pieces.count == own.layout.count)
      #expect(pieces.counts.allSatisfy { $0 > 0 && $0 * 4 <= limit })
      for start in pieces.starts.dropFirst().dropLast() {
        #expect(
          !tiles.contains { $0.start < start && start < $0.start + $0.count },
          "seed \(seed): \(start)")
      }
      for (program, map) in maps.enumerated() {
        let tensors = own.layout.tensors.filter {
          own.layout.groupNames.firstIndex(of: $0.group).map { own.programs[$0] } == program
        }
        let pieces = SegmentCuts(map, tensors, context).pieces(of: 0..<map.count)
        #expect(pieces.count == map.count && pieces.counts.allSatisfy { $0 * 4 <= limit })
      }
    }
  }

  @Test("blocks of a table cover its runs once, and say where they lie in the states", .needsDevice)
  func tables() throws {
    for seed in Self.seeds {
      var own = try Case(seed)
      let maps = StateMap.maps(
        own.layout, programOfGroup: own.programs, count: own.programCount)
      let count = own.layout.count
      let states = maps.map { ($0, Pieces(count: $0.count)) }
      let plan = StepPlan(
        own.layout.stretches(sets: own.sets, leftOut: own.leftOut, programs: own.programs),
        parameters: own.cuts(count), gradients: Pieces(count: count), states: states,
        vectors: Pieces(count: count))
      let block = [64, 1_024, 4_096].randomElement(using: &own.random) ?? 64
      var rest = try descent_block.covering(plan.runs, block: block)[...]
      for run in plan.runs {
        var start = run.start
        while start < run.start + run.count {
          let first = rest.popFirst()
          let own = try #require(first)
          try #require(Int(own.start) == start && (1...block).contains(Int(own.count)))
          try #require(Int(own.group) == run.group && Int(own.set) == run.set)
          try #require(
            maps[run.program].place(of: start..<start + Int(own.count)).lowerBound
              == Int(own.states), "seed \(seed)")
          start += Int(own.count)
        }
        #expect(start == run.start + run.count)
      }
      #expect(rest.isEmpty)
    }
  }
  #endif
}
