using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Gateway.Server.Hosting;

/// <summary>The level below which nothing is logged; changeable from any thread, in force at the next line.</summary>
internal sealed class LogLevelSwitch(LogLevel level)
{
    private volatile int _level = (int)level;

    public LogLevel Level
    {
        get => (LogLevel)_level;
        set => _level = (int)value;
    }
}

/// <summary>The log on stderr: text or JSON lines, UTC, one line each; stdout stays free for the endpoints.</summary>
internal static class NodeLogging
{
    public static ILoggerFactory Create(LogFormat format, LogLevelSwitch level) => LoggerFactory.Create(logging =>
    {
        logging.SetMinimumLevel(LogLevel.Trace);
        logging.AddFilter((_, category, line) => line >= Least(category, level.Level));
        if (format == LogFormat.Json)
        {
            logging.AddJsonConsole(json =>
            {
                json.UseUtcTimestamp = true;
                json.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
            });
        }
        else
        {
            logging.AddSimpleConsole(text =>
            {
                text.UseUtcTimestamp = true;
                text.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
                text.SingleLine = true;
                text.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        }

        logging.Services.Configure<ConsoleLoggerOptions>(console =>
        {
            console.LogToStandardErrorThreshold = LogLevel.Trace;
            // A reader of stderr that has stopped must not stop a reactor: lines are dropped, and the logger says how many.
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
    });

    /// <summary>The web server's own lines hold the paths of requests, and those hold addresses: it may warn, whatever the level.</summary>
    private static LogLevel Least(string? category, LogLevel level) =>
        level < LogLevel.Warning && category is not null && category.StartsWith("Microsoft.", StringComparison.Ordinal) ? LogLevel.Warning : level;
}
