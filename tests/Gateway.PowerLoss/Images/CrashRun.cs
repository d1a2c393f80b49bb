using System.Globalization;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;
using Gateway.PowerLoss.Disk;
using Gateway.PowerLoss.Load;

namespace Gateway.PowerLoss.Images;

/// <summary>
/// One seed: a chain of power cycles. In each the real log lives, is loaded and dies a few times on one recorded disk; then power is lost at
/// many points of the recording, each image is opened and checked, some of the openings are loaded and lose power themselves, and one image is
/// where the next cycle begins.
/// One thread. The seed repeats the load and what images are drawn from; how the log's threads interleave it cannot repeat, so an image that
/// fails is kept.
/// </summary>
internal sealed class CrashRun(int seed, Lie lie, CrashTally tally, string? keep)
{
    private const int ImagesACycle = 24;
    private const int CyclesARun = 3;
    private const int Depth = 2;

    private readonly Random _random = new(seed);
    private LifeSettings _settings = null!;

    /// <summary>Stops early when <paramref name="enough"/>.</summary>
    /// <exception cref="PromiseBrokenException">The message has the seed, the place, and where the image is kept.</exception>
    public void Run(Func<bool> enough)
    {
        _settings = new LifeSettings(
            Identity: 0x1D_C0FF_EE00_0000 + (ulong)seed,
            Partitions: _random.Next(1, 4),
            SegmentBytes: _random.Next(3) == 0 ? 8192 : 16384,
            // The check then is that sequences hold and that nothing is refused.
            Durability: lie == Lie.None && _random.Next(10) == 0 ? Durability.Os : Durability.Fsync,
            Mailboxes: _random.Next(2, 14),
            Carries: lie != Lie.CarryNothing);
        var next = (Image: DiskImage.Empty, Expected: Expectation.Nothing);
        for (var cycle = 0; cycle < CyclesARun && !enough(); cycle++) next = Cycle(cycle, next.Image, next.Expected, enough);
    }

    private (DiskImage Image, Expectation Expected) Cycle(int cycle, DiskImage image, Expectation expected, Func<bool> enough)
    {
        var disk = DiskOf(image, _random.Next(80));
        var journal = new Journal(expected);
        try
        {
            for (var lives = _random.Next(1, 4); lives > 0; lives--) Live(disk, journal, _random.Next(3) == 0 ? _random.Next(10) : _random.Next(400));
        }
        catch (PromiseBrokenException e)
        {
            throw Told(e, image, $"cycle {cycle}, without a power loss");
        }

        return LosePower(disk, journal, ImagesACycle, Depth, $"cycle {cycle}", enough);
    }

    private void Live(SimulatedDisk disk, Journal journal, int records)
    {
        using var life = Life.Begin(disk, journal, _settings, _random);
        tally.OnLife();
        life.Load(records);
        life.End((Death)_random.Next(3));
    }

    /// <summary>Takes images of a recording and checks each; returns one of them.</summary>
    private (DiskImage Image, Expectation Expected) LosePower(SimulatedDisk disk, Journal journal, int images, int depth, string place, Func<bool> enough)
    {
        var events = disk.Events;
        tally.OnRecording(events.Length, events.Count(e => e is RenameEvent rename && SpareSegments.IsSpare(rename.From)));
        var tellings = journal.TellingPoints();
        var points = new int[images];
        for (var i = 0; i < images; i++)
        {
            points[i] = tellings.Length > 0 && _random.Next(2) == 0
                ? Math.Min(events.Length, tellings[_random.Next(tellings.Length)] + _random.Next(3) / 2)
                : _random.Next(events.Length + 1);
        }

        Array.Sort(points);
        var replay = new CrashReplay(disk.Start, events);
        var chosen = _random.Next(images);
        var next = (DiskImage.Empty, Expectation.Nothing);
        for (var i = 0; i < images && !enough(); i++)
        {
            replay.AdvanceTo(points[i]);
            var image = replay.Draw(_random);
            var expected = journal.At(points[i]);
            if (i <= chosen) next = (image, expected);
            CheckImage(image, expected, depth, string.Create(CultureInfo.InvariantCulture, $"{place}, event {points[i]} of {events.Length}"), enough);
        }

        return next;
    }

    private void CheckImage(DiskImage image, Expectation expected, int depth, string place, Func<bool> enough)
    {
        tally.OnImage(expected.Entries.Count);
        var disk = DiskOf(image, _random.Next(4));
        var journal = new Journal(expected);
        var again = depth > 0 && _random.Next(3) == 0;
        try
        {
            using var life = Life.Begin(disk, journal, _settings, _random);
            if (again) life.Load(_random.Next(80));
            if (_random.Next(2) == 0) life.End(Death.Kill);
        }
        catch (PromiseBrokenException e)
        {
            throw Told(e, image, place);
        }

        if (_settings.Durability == Durability.Fsync && _random.Next(8) == 0) Damage(image, expected, place);
        if (again) LosePower(disk, journal, 2, depth - 1, $"{place}; opened and lost again", enough);
    }

    /// <summary>What no crash does: a sector that was synced is gone, or a byte of it has changed. Refused, not taken for a torn end.</summary>
    private void Damage(DiskImage image, Expectation expected, string place)
    {
        var begin = BeginOf(image);
        var proven = expected.Entries.Where(e => e.Start >= begin && e.Position <= expected.Proven).ToArray();
        if (proven.Length == 0) return;
        var entry = proven[_random.Next(proven.Length)];
        var isByte = _random.Next(2) == 0;
        var address = isByte
            ? entry.Start + RecordLayout.LengthBytes + _random.Next(RecordLayout.FixedBytes(entry.Type) + entry.Body.Length)
            : entry.Start / CrashReplay.SectorBytes * CrashReplay.SectorBytes;
        if (!isByte && (address < begin || address + CrashReplay.SectorBytes > expected.Proven)) return;
        var name = SegmentHeader.FileName(address / _settings.SegmentBytes);
        var bytes = image.Files[name].ToArray();
        var at = bytes.AsSpan((int)(SegmentHeader.Bytes + address % _settings.SegmentBytes), isByte ? 1 : CrashReplay.SectorBytes);
        if (isByte) at[0] ^= (byte)(1 << _random.Next(8));
        else at.Clear();
        var damaged = image.With(name, bytes);
        try
        {
            Life.MustRefuse(DiskOf(damaged, 0), _settings, $"Damage to the {(isByte ? "byte" : "sector")} at address {address}, where the log is durable to {expected.Proven},");
        }
        catch (PromiseBrokenException e)
        {
            throw Told(e, damaged, place);
        }

        tally.OnDamaged();
    }

    /// <summary>The first address that an opening of it reads.</summary>
    private static long BeginOf(DiskImage image)
    {
        if (!image.Files.TryGetValue(Superblock.FileName, out var file)) return 0;
        Superblock newest = default;
        for (var slot = 0; slot < 2; slot++)
        {
            if (Superblock.TryRead(file.AsSpan(slot * Superblock.SlotBytes), Superblock.FileName, out var found) && found.Number > newest.Number) newest = found;
        }

        return newest.Begin;
    }

    private SimulatedDisk DiskOf(DiskImage image, int syncToSkip) => new(image, new Liar(lie, _settings.Identity, syncToSkip), _random.Next());

    private PromiseBrokenException Told(PromiseBrokenException e, DiskImage image, string place)
    {
        var kept = "";
        if (keep is not null)
        {
            var folder = Path.Combine(keep, string.Create(CultureInfo.InvariantCulture, $"image-{seed}-{tally.Images}"));
            image.WriteTo(folder);
            kept = $" The image is in {folder}.";
        }

        return new PromiseBrokenException(string.Create(CultureInfo.InvariantCulture, $"Seed {seed}, {place}: {e.Message}{kept}"), e);
    }
}
