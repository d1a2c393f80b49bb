using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Gateway.PowerLoss.Disk;

namespace Gateway.PowerLoss.Images;

/// <summary>Power-loss images by the thousand, clean or with something left out.</summary>
internal static class ImagesCommand
{
    public static RootCommand Create()
    {
        var images = new Option<int>("--images") { Description = "crash images to recover and check; with --mutations the most for each", DefaultValueFactory = _ => 10_000 };
        var seed = new Option<int>("--seed") { Description = "of the first run; the next ones follow it. Drawn when absent", DefaultValueFactory = _ => Random.Shared.Next(1_000_000_000) };
        var jobs = new Option<int>("--jobs") { Description = "runs at a time", DefaultValueFactory = _ => Environment.ProcessorCount };
        var keep = new Option<string?>("--keep") { Description = "a folder for images that fail" };
        var mutations = new Option<bool>("--mutations") { Description = "leave out one thing after the other on the way to the disk, and say how many images it took to notice" };
        var root = new RootCommand("Records the mailbox log on a simulated disk, loses power at any point, and checks what is recovered.") { images, seed, jobs, keep, mutations };
        root.SetAction(parse =>
        {
            var (count, first) = (parse.GetValue(images), parse.GetValue(seed));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {first}"));
            return parse.GetValue(mutations)
                ? Mutate(count, first, parse.GetValue(jobs))
                : Sweep(count, first, parse.GetValue(jobs), parse.GetValue(keep) ?? Path.GetTempPath());
        });
        return root;
    }

    private static int Sweep(int images, int seed, int jobs, string keep)
    {
        var clock = Stopwatch.StartNew();
        var tally = new CrashTally();
        using var progress = new Timer(_ => Say(tally, images, clock), null, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5));
        var (broken, seeds) = Campaign.Run(images, seed, jobs, Lie.None, tally, keep);
        Say(tally, images, clock);
        if (broken is not null)
        {
            Console.WriteLine($"BROKEN: {broken.Message}");
            return 1;
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"clean: {tally.Images} images of {seeds} seeds from {seed}; {tally.Lives} lives, {tally.Events} recorded events, {tally.UsedAgain} files used again, {tally.Records} records checked; {tally.Damaged} damaged images refused; {clock.Elapsed.TotalSeconds:F1} s"));
        return 0;
    }

    private static int Mutate(int images, int seed, int jobs)
    {
        var survived = 0;
        foreach (var lie in Enum.GetValues<Lie>().Where(l => l != Lie.None))
        {
            var tally = new CrashTally();
            var (broken, _) = Campaign.Run(images, seed, jobs, lie, tally, keep: null);
            survived += broken is null ? 1 : 0;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{lie,-20} {(broken is null ? "SURVIVED" : "caught"),-9} {tally.Images,6} images  {broken?.Message}"));
        }

        return survived == 0 ? 0 : 1;
    }

    private static void Say(CrashTally tally, int images, Stopwatch clock) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{clock.Elapsed:mm\\:ss}  {tally.Images} of {images} images, {tally.Lives} lives, {tally.Damaged} damaged ones refused"));
}
