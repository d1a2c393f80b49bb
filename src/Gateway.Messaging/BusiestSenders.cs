using Gateway.Messaging.Queues;

namespace Gateway.Messaging;

/// <summary>A sender in a list of the busiest.</summary>
/// <param name="Device">Who.</param>
/// <param name="Sends">Counted for it: not less than it sent of <see cref="SenderTotals.Sends"/>.</param>
/// <param name="Error">At most so many of them were others'.</param>
public readonly record struct SenderShare(ulong Device, long Sends, long Error);

/// <summary>What the shares are of.</summary>
/// <param name="Sends">All sends that still count: of the last 10 to 20 seconds, older ones for less and less.</param>
/// <param name="Error">A sender that is not listed has no more than this.</param>
public readonly record struct SenderTotals(long Sends, long Error);

/// <summary>
/// Who sends most, in a fixed number of counters: Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements
/// in data streams", ICDT 2005). Who has no counter takes over the least one with its count, which becomes its error. So with N counted and k counters a
/// count is too great by at most N / k, never too small, and whoever has more than N / k has a counter; halving everything every ten seconds keeps that
/// (rounding adds at most 2) and lets the past fade.
/// <para>One send in <see cref="Stride"/> is looked at, on average, and counts for as many: a look costs some 30 ns, a send that is not looked at one. What
/// that adds is chance: with n sends of a sender in the window its count scatters by about the square root of 16 n.</para>
/// Written by the home's thread, read by any without a lock. Invariant: the counts add up to the total.
/// </summary>
internal sealed class BusiestSenders
{
    public const int Stride = 16;

    private const int HalveEveryMs = 10_000;

    private readonly ulong[] _keys;
    private readonly long[] _counts;
    private readonly long[] _errors;
    private readonly int _stride;
    private int _used;
    private long _total;
    private long _halvedAtMs;
    private uint _random;
    private int _untilLook = 1;

    private SequenceLock _changes;

    /// <param name="counters">k.</param>
    /// <param name="stride">Looks at one send in so many; 1 at each.</param>
    /// <param name="seed">Of the gaps between looks.</param>
    public BusiestSenders(int counters, int stride, uint seed)
    {
        (_keys, _counts, _errors) = (new ulong[counters], new long[counters], new long[counters]);
        (_stride, _random) = (stride, seed | 1);
    }

    /// <summary>Owner: a device sent something.</summary>
    public void Note(ulong device)
    {
        if (--_untilLook > 0) return;
        _untilLook = NextGap();
        Look(device);
    }

    /// <summary>Owner, every now and then: the past counts for less.</summary>
    public void Fade(long nowMs)
    {
        if (nowMs - _halvedAtMs < HalveEveryMs) return;
        _halvedAtMs = nowMs;
        if (_total == 0) return;
        _changes.BeginChange();
        _total = 0;
        for (var i = 0; i < _used; i++)
        {
            _total += _counts[i] >>= 1;
            _errors[i] >>= 1;
        }

        _changes.EndChange();
    }

    /// <summary>Any thread. False: its owner was changing it all the while.</summary>
    /// <param name="into">Added to, in no order.</param>
    /// <param name="totals">What the shares are of.</param>
    public bool TryRead(ICollection<SenderShare> into, out SenderTotals totals)
    {
        var copy = new SenderShare[_keys.Length];
        totals = default;
        for (var tries = 0; tries < SequenceLock.Tries; tries++)
        {
            if (!_changes.TryBeginRead(out var version)) continue;
            var used = Volatile.Read(ref _used);
            for (var i = 0; i < used; i++) copy[i] = new SenderShare(Volatile.Read(ref _keys[i]), Volatile.Read(ref _counts[i]), Volatile.Read(ref _errors[i]));
            var total = Volatile.Read(ref _total);
            if (!_changes.Held(version)) continue;
            for (var i = 0; i < used; i++)
            {
                if (copy[i].Sends > 0) into.Add(copy[i]);
            }

            totals = new SenderTotals(total, used < _keys.Length ? 0 : total / _keys.Length);
            return true;
        }

        return false;
    }

    private void Look(ulong device)
    {
        _changes.BeginChange();
        _total += _stride;
        var place = _keys.AsSpan(0, _used).IndexOf(device);
        if (place < 0)
        {
            place = _used < _keys.Length ? _used++ : LeastCounter();
            (_keys[place], _errors[place]) = (device, _counts[place]);
        }

        _counts[place] += _stride;
        _changes.EndChange();
    }

    private int LeastCounter()
    {
        var least = 0;
        for (var i = 1; i < _counts.Length; i++)
        {
            if (_counts[i] < _counts[least]) least = i;
        }

        return least;
    }

    /// <summary>Evenly from 1 to twice the stride less one. Not every sixteenth: whoever sends in step with that would be seen always or never.</summary>
    private int NextGap()
    {
        if (_stride == 1) return 1;
        // xorshift32: Marsaglia, "Xorshift RNGs", 2003.
        _random ^= _random << 13;
        _random ^= _random >> 17;
        _random ^= _random << 5;
        return 1 + (int)((ulong)_random * (uint)(2 * _stride - 1) >> 32);
    }
}
