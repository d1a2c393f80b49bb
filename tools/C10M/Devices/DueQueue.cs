namespace Gateway.Load.Devices;

/// <summary>Devices by the time their next message is due: a binary heap in two arrays that never grow. One thread.</summary>
internal sealed class DueQueue(int capacity)
{
    private readonly long[] _due = new long[capacity];
    private readonly int[] _devices = new int[capacity];
    private int _count;

    public int Count => _count;

    /// <summary>The earliest due time; <see cref="long.MaxValue"/> when empty.</summary>
    public long NextDue => _count == 0 ? long.MaxValue : _due[0];

    public void Add(int device, long due)
    {
        var i = _count++;
        while (i > 0)
        {
            var parent = (i - 1) / 2;
            if (_due[parent] <= due) break;
            _due[i] = _due[parent];
            _devices[i] = _devices[parent];
            i = parent;
        }

        _due[i] = due;
        _devices[i] = device;
    }

    /// <summary>Takes the device with the earliest time; the queue must not be empty.</summary>
    public int Take()
    {
        var taken = _devices[0];
        var due = _due[--_count];
        var device = _devices[_count];
        var i = 0;
        while (true)
        {
            var child = 2 * i + 1;
            if (child >= _count) break;
            if (child + 1 < _count && _due[child + 1] < _due[child]) child++;
            if (_due[child] >= due) break;
            _due[i] = _due[child];
            _devices[i] = _devices[child];
            i = child;
        }

        _due[i] = due;
        _devices[i] = device;
        return taken;
    }

    public void Clear() => _count = 0;
}
