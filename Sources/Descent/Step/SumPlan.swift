internal import DescentKernels

/// How the terms of a pass add up to the numbers of a shape: tiles of the layout, and which tiles
/// each number has.
struct SumPlan {
  /// Elements that are a stride apart.
  struct Tile: Equatable {
    var start: Int
    var count: Int
    var stride = 1
  }

  /// Adjacent columns of a tensor whose tiles begin and end in the same rows.
  struct Panel: Equatable {
    /// The first element, and how many rows and columns there are.
    var start: Int
    var rows: Int
    var columns: Int
    /// The distance of rows.
    var stride: Int
    /// The first column's tile, and the distance of the columns' tiles in the list.
    var tile: Int
    var step: Int

    /// The most columns.
    static let width = Int(DESCENT_PANEL_COLUMNS)
  }

  let tiles: [Tile]
  /// The tiles of columns again, many at a time.
  let panels: [Panel]
  /// Tiles of each number: a list of them, and where each number's begin.
  let numbers: (list: [Int32], starts: [Int32])
  /// The index of each number in its state.
  let places: [Int]

  /// - Parameters:
  ///   - shape: not the parameters'.
  ///   - isIdle: whether a group is frozen. Its tensors have no terms, and their numbers do not
  ///     change.
  init(
    _ programs: RulePrograms, program: Int, over shape: StateShape, leftOut: [Bool],
    isIdle: (Int) -> Bool
  ) {
    var tiles: [Tile] = []
    var panels: [Panel] = []
    var counts: [Int] = []
    var places: [Int] = []
    func number(_ place: Int, _ own: [Tile]) {
      tiles += own
      counts.append(own.count)
      places.append(place)
    }
    let layout = programs.layout
    let active = layout.tensors.indices.filter { index in
      let tensor = layout.tensors[index]
      guard let group = layout.groupNames.firstIndex(of: tensor.group) else { return false }
      return programs.ofGroup[group] == program && !isIdle(group) && tensor.count > 0
        && (leftOut.isEmpty || !leftOut[index])
    }
    if shape == .model {
      let own = active.flatMap { Self.tiles(layout.tensors[$0].range) }
      if !own.isEmpty { number(0, own) }
    }
    for index in shape == .model ? [] : active {
      guard let first = programs.map(shape, of: program)?[index].lowerBound else { continue }
      let (range, columns) = (
        layout.tensors[index].range, StateShape.columns.count(of: layout.tensors[index].shape)
      )
      switch shape {
      case .rows:
        for row in 0..<range.count / columns {
          let start = range.lowerBound + row * columns
          number(first + row, Self.tiles(start..<start + columns))
        }
      case .columns:
        let rows = Self.tiles(0..<range.count / columns)
        for (index, own) in rows.enumerated() {
          for column in stride(from: 0, to: columns, by: Panel.width) {
            panels.append(
              Panel(
                start: range.lowerBound + own.start * columns + column, rows: own.count,
                columns: min(Panel.width, columns - column), stride: columns,
                tile: tiles.count + column * rows.count + index, step: rows.count))
          }
        }
        for column in 0..<columns {
          let start = range.lowerBound + column
          number(
            first + column,
            rows.map {
              Tile(start: start + $0.start * columns, count: $0.count, stride: columns)
            })
        }
      default: number(first, Self.tiles(range))
      }
    }
    (self.tiles, self.panels) = (tiles, panels)
    let starts = Pieces(counts: counts).starts
    numbers = (tiles.indices.map(Int32.init), starts.map(Int32.init))
    self.places = places
  }

  private static func tiles(_ range: Range<Int>) -> [Tile] {
    stride(from: range.lowerBound, to: range.upperBound, by: Descent.Tile.length).map {
      Tile(start: $0, count: min(Descent.Tile.length, range.upperBound - $0))
    }
  }
}

extension RuleSum.Reduction {
  /// Whether the squares of terms are summed; of the greatest magnitude either serves.
  var isOfSquares: Bool { self != .sum }
}
