using System.Globalization;
using System.Text;

namespace Gateway.Simulation;

/// <summary>How often each fault met a device in each state. A fault of the whole node meets every device.</summary>
public sealed class Coverage
{
    private static readonly int Faults = Enum.GetValues<FaultKind>().Length;
    private static readonly int States = Enum.GetValues<DeviceState>().Length;

    private readonly long[] _cells = new long[Faults * States];

    public long this[FaultKind fault, DeviceState state] => _cells[(int)fault * States + (int)state];

    /// <summary>Cells in which nothing happened.</summary>
    public IEnumerable<(FaultKind Fault, DeviceState State)> Empty =>
        from fault in Enum.GetValues<FaultKind>()
        from state in Enum.GetValues<DeviceState>()
        where this[fault, state] == 0
        select (fault, state);

    public void Add(Coverage other)
    {
        ArgumentNullException.ThrowIfNull(other);
        for (var i = 0; i < _cells.Length; i++) _cells[i] += other._cells[i];
    }

    internal void Count(FaultKind fault, DeviceState state) => _cells[(int)fault * States + (int)state]++;

    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{"",-20}");
        foreach (var state in Enum.GetValues<DeviceState>()) text.Append(CultureInfo.InvariantCulture, $" {state,16}");
        foreach (var fault in Enum.GetValues<FaultKind>())
        {
            text.AppendLine().Append(CultureInfo.InvariantCulture, $"{fault,-20}");
            foreach (var state in Enum.GetValues<DeviceState>()) text.Append(CultureInfo.InvariantCulture, $" {this[fault, state],16}");
        }

        return text.ToString();
    }
}
